"""Bounds and sizes of a drafted line, from the quantiles of its source."""

from collections.abc import Mapping
from dataclasses import dataclass

from aigc_core.contracts.profile import ColumnProfile, Lengths, Profile
from aigc_core.lines.roles import Roles

FLOOR = {"zh": 10, "ja": 10, "ko": 10}
LATIN_FLOOR = 20
"""Shorter texts are names or countries, not descriptions."""
DENSE = ("zh", "ja", "ko")
CHARACTERS_PER_TOKEN = {True: 1.2, False: 3.0}
"""Of a small vocabulary made from the corpus; dense scripts have more to a character."""
FEW = 500
"""Fewer texts teach a model made from scratch nothing that passes the audit."""
SMALL, MIDDLE = 1500, 20_000
"""Pairs up to which the starter model is small, and middling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What the templates fill in."""

    pairs: int
    """Texts to learn from, over all locales."""
    least_items: int
    least_pairs: int
    corpus: Mapping[str, int]
    """`minLength`, `maxLength` of texts to learn from."""
    output: Mapping[str, int]
    """Of published texts, over all locales."""
    limits: Mapping[str, Mapping[str, int]]
    """Locale -> `min_chars`, `max_chars`."""
    basis: str
    new_tokens: int
    starter: Mapping[str, int]
    training: Mapping[str, float]

    @property
    def engine(self) -> str:
        """What writes: a model where there is enough to learn from."""
        return "hf" if self.pairs >= FEW else "template"


def sizes_of(profile: Profile, roles: Roles) -> Sizes:
    """Bounds with room: a text at the edge of what the source has still passes."""
    texts = roles.texts
    lengths = {locale: _lengths(column) for locale, column in texts.items()}
    low = min((_floor(locale, found) for locale, found in lengths.items()), default=LATIN_FLOOR)
    high = max((rounded_up(found.most * 1.1) for found in lengths.values()), default=2000)
    limits = {locale: _limits(locale, found) for locale, found in lengths.items()}
    limits = limits or {"en": {"min_chars": LATIN_FLOOR, "max_chars": 1000}}
    pairs = _pairs(profile, texts)
    new_tokens = max((_tokens(locale, found.p99) for locale, found in lengths.items()), default=160)
    new_tokens = max(48, min(new_tokens, 400))
    prompt = _prompt_tokens(roles)
    length = max(96, min(rounded_up(prompt + new_tokens), 768))
    return Sizes(
        pairs=pairs,
        least_items=max(1, (roles.key.profile.distinct if roles.key.made_of else profile.structure.products) // 2),
        least_pairs=max(1, pairs // 10),
        corpus={"minLength": low, "maxLength": high},
        output={
            "minLength": min(one["min_chars"] for one in limits.values()),
            "maxLength": max(one["max_chars"] for one in limits.values()),
        },
        limits=limits,
        basis=_basis(lengths),
        new_tokens=new_tokens,
        starter=_starter(
            pairs,
            dense=any(locale in DENSE for locale in texts),
            context=256 if length + new_tokens <= 256 else 512 if length <= 384 else 1024,
        ),
        training=_training(pairs, length),
    )


def rounded_up(number: float) -> int:
    """To two figures: 143 gives 150."""
    if number <= 10:
        return max(1, int(-(-number // 1)))
    step: int = 10 ** (len(str(int(number))) - 1) // 2 or 1
    return int(-(-number // step) * step)


def _lengths(column: ColumnProfile) -> Lengths:
    found = column.plain or column.lengths
    return found or Lengths(least=0, p01=0, median=0, p95=0, p99=0, most=0)


def _floor(locale: str, lengths: Lengths) -> int:
    return max(1, min(FLOOR.get(locale, LATIN_FLOOR), lengths.median // 2))


def _limits(locale: str, lengths: Lengths) -> dict[str, int]:
    """A text shorter than nearly all of the source's is published with a warning."""
    least = _floor(locale, lengths)
    soft = {"soft_min_chars": lengths.p01 // 2} if lengths.p01 // 2 > least else {}
    return {"min_chars": least, "max_chars": max(rounded_up(lengths.p99 * 1.25), 10 * least, 100), **soft}


def _pairs(profile: Profile, texts: Mapping[str, ColumnProfile]) -> int:
    filled = profile.structure.filled if profile.structure.fold_by else {}
    return sum(filled.get(column.name, column.values) for column in texts.values())


def _basis(lengths: Mapping[str, Lengths]) -> str:
    told = "; ".join(
        f"{locale}: half have up to {found.median:,}, 95 of 100 up to {found.p95:,}, the longest {found.most:,}"
        for locale, found in lengths.items()
    )
    return told or "the source has no texts"


def _tokens(locale: str, characters: float) -> int:
    return int(characters / CHARACTERS_PER_TOKEN[locale in DENSE]) + 8


def _prompt_tokens(roles: Roles) -> int:
    dense = next(iter(roles.texts), "en") in DENSE
    if roles.pairs:
        found = _lengths(roles.pairs)
        return int(found.p95 / CHARACTERS_PER_TOKEN[dense])
    characters = sum(len(one.label) + 4 + one.filled * _lengths(one.profile).median for one in roles.attributes)
    return int(characters / CHARACTERS_PER_TOKEN[dense])


def _starter(pairs: int, *, dense: bool, context: int) -> dict[str, int]:
    """Scripts with thousands of characters need a vocabulary that holds them, or the model writes halves of them."""
    if pairs <= SMALL:
        return {"vocabulary": 2560 if dense else 1024, "hidden": 128, "layers": 2, "heads": 4, "context": context}
    vocabulary = 2048 if pairs <= MIDDLE and not dense else 4096
    return {"vocabulary": vocabulary, "hidden": 192, "layers": 3, "heads": 4, "context": context}


def _training(pairs: int, length: int) -> dict[str, float]:
    small = pairs <= SMALL
    return {
        "epochs": 10 if small else 6 if pairs <= MIDDLE else 3,
        "max_tokens": 600_000 if small else 2_500_000,
        "batch_size": 8 if small else 16,
        "learning_rate": 0.003 if small else 0.002,
        "max_length": length,
        "held_out_share": 0.1 if small else 0.05,
        "held_out_pairs": 100 if small else 300,
        "evaluations": 3 if small else 4,
    }
