"""What each column of a profiled source is for in a content line."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from aigc_core.contracts.profile import ColumnProfile, Lengths, Profile
from aigc_core.errors import SourceInvalid
from aigc_core.lines.names import (
    category_rank,
    is_bookkeeping,
    key_rank,
    label_of,
    name_rank,
    prompt_place,
    safe_name,
    seller_rank,
    word_list,
)
from aigc_core.lines.structure import is_prose
from aigc_core.storage.sources import public_name

MOST_ATTRIBUTES = 12
"""More make prompts that a small model cannot hold together."""
LONGEST_VALUE = 120
"""An attribute is a word or a phrase; longer values are texts."""
HALF = 0.5
LEAST_FILLED = 0.02
"""A column filled in fewer items teaches nothing."""
LONGEST_ID = 1000
MOSTLY_DIFFERENT = 0.5
"""A column named like a key that differs in so many rows stands in for one."""
MADE = {"item_id": "made_id", "product_group": "made_group"}
"""Contract column -> the column that a `key` step makes for it, where the source has none."""
MADE_CHARACTERS = 20
"""What a `key` step writes: hexadecimal digits."""
PAIR_KINDS = ("pairs", "triples", "marked pairs")
"""How attributes in one cell may be written; lists before texts."""
RESERVED = ("item_id", "product_group", "locale", "text", "attributes", "number", "licence", "source")
DEFAULT_OPTION = "Default Title"
"""What Shopify writes where a product has no options."""
_OPTION = "option"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A source column with a place in the line."""

    profile: ColumnProfile
    name: str
    """In the contracts."""
    label: str
    """In prompts."""
    source: str
    """Column that `recipe.columns` reads: the source's, or one that cleaning makes."""
    filled: float
    """Share of the items that have it."""
    collected: bool = False
    """Whether cleaning gathers it from the lines of a product."""
    made_of: tuple[str, ...] = ()
    """Source columns of which cleaning makes it, where no column of the source is it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """What the line is made of."""

    key: Chosen
    sure_key: bool
    """Whether the key names items; else it is made, or only named like a key."""
    group: Chosen | None
    title: Chosen | None
    """The attribute that is the item's name."""
    category: Chosen | None
    seller: Chosen | None
    texts: Mapping[str, ColumnProfile]
    """Locale -> column; empty where the source has no texts."""
    attributes: tuple[Chosen, ...]
    """In prompt order; empty where the attributes come as pairs."""
    pairs: ColumnProfile | None
    """Column with lists of name and value pairs."""
    written: str
    """How the pairs are written, one of `PAIR_KINDS`; empty without pairs."""
    left_out: Mapping[str, str]
    """Source column -> why it is not used."""

    @property
    def columns(self) -> tuple[Chosen, ...]:
        """Every column of the catalogue contract but the pairs, once."""
        found = (self.key, self.group, *self.attributes, self.category, self.seller)
        return tuple({chosen.name: chosen for chosen in found if chosen}.values())


def roles_of(profile: Profile, *, key: str = "", text: str = "") -> Roles:
    """Give each column its place.

    Args:
        profile: what the source holds.
        key: the column that names an item, where a person knows better.
        text: the column with the text, likewise.

    Raises:
        SourceInvalid: nothing to tell the model.
    """
    texts = _texts(profile, text)
    chosen, sure = _key(profile, key)
    pairs, written = next(_pair_columns(profile), (None, ""))
    taken = {column.name for column in (chosen, *texts.values()) if column}
    made = {} if pairs else _attributes(profile, taken)
    if not pairs and not made:
        raise SourceInvalid(
            f"{public_name(profile.source)} has no column that says something about an item.",
            "A line needs at least one attribute, such as a name or a category.",
            "Name a file that has them.",
        )
    attributes = _picked(made)
    category = _best(made.values(), category_rank)
    seller = _best(made.values(), seller_rank)
    used = {one.profile.name for one in (*attributes, category, seller) if one}
    describing = [column.name for column in profile.columns if column is pairs or column.name in used]
    return Roles(
        key=_as_key(profile, chosen, "item_id") if chosen else _made(profile, "item_id", describing),
        sure_key=sure,
        group=_group(profile) if chosen else _made(profile, "product_group", describing) if texts else None,
        title=_best(attributes, name_rank),
        category=category,
        seller=seller,
        texts=texts,
        attributes=attributes,
        pairs=pairs,
        written=written,
        left_out=_left_out(profile, used, pairs, texts, chosen),
    )


def filled_share(profile: Profile, column: ColumnProfile) -> float:
    """Share of the items that have a value; placeholders count as none."""
    items = max(profile.structure.products, 1)
    if profile.structure.fold_by:
        return profile.structure.filled.get(column.name, 0) / items
    return (column.values - sum(found.rows for found in column.placeholders)) / items


def _texts(profile: Profile, named: str) -> dict[str, ColumnProfile]:
    if named:
        column = _named(profile, named)
        language = column.languages[0].language if column.languages else "en"
        return {language: column}
    return {locale: profile.column(name) for locale, name in profile.structure.texts.items()}


def _named(profile: Profile, name: str) -> ColumnProfile:
    if name not in (column.name for column in profile.columns):
        raise SourceInvalid(
            f"{public_name(profile.source)} has no column {name!r}.",
            f"Its columns are: {', '.join(column.name for column in profile.columns)}.",
        )
    return profile.column(name)


def _key(profile: Profile, named: str) -> tuple[ColumnProfile | None, bool]:
    """The column that names an item, and whether it surely does; None where none does."""
    if named:
        return _named(profile, named), True
    if profile.structure.key:
        return profile.column(profile.structure.key), True
    different = [
        column
        for column in profile.columns
        if key_rank(column.name)
        and not is_prose(column)
        and column.lengths
        and column.lengths.most <= LONGEST_ID
        and column.distinct >= MOSTLY_DIFFERENT * profile.structure.products
    ]
    return max(different, key=lambda column: (key_rank(column.name), column.distinct), default=None), False


def _made(profile: Profile, name: str, of: Sequence[str]) -> Chosen:
    """A column that a `key` step makes of what describes an item.

    Its profile counts as different what surely is: the values of the fullest of these columns.
    """
    column = ColumnProfile(
        name=safe_name(MADE[name], {column.name for column in profile.columns}, place=0),
        type="string",
        basis=f"made of {', '.join(map(repr, of))}",
        values=profile.rows - profile.unreadable_rows,
        missing=0,
        blank=0,
        distinct=max(profile.column(one).distinct for one in of),
        lengths=Lengths(**dict.fromkeys(("least", "p01", "median", "p95", "p99", "most"), MADE_CHARACTERS)),
        pattern=f"^[0-9a-f]{{{MADE_CHARACTERS}}}$",
    )
    return Chosen(profile=column, name=name, label=name, source=column.name, filled=1.0, made_of=tuple(of))


def _as_key(profile: Profile, column: ColumnProfile, name: str) -> Chosen:
    label = label_of(column.name)
    return Chosen(profile=column, name=name, label=label, source=column.name, filled=filled_share(profile, column))


def _group(profile: Profile) -> Chosen | None:
    group = profile.structure.group
    return _as_key(profile, profile.column(group), "product_group") if group else None


def _pair_columns(profile: Profile) -> Iterator[tuple[ColumnProfile, str]]:
    """Columns with pairs, and how those are written."""
    for kind in PAIR_KINDS:
        for column in profile.columns:
            if column.kinds.get(kind, 0) >= 0.9 * max(column.values, 1) and column.values >= 0.5 * profile.rows:
                yield column, kind


def _attributes(profile: Profile, taken: set[str]) -> dict[str, Chosen]:
    """Source column -> the attribute it could be, in file order."""
    made: dict[str, Chosen] = {}
    names = set(RESERVED)
    for place, column in enumerate(profile.columns, 1):
        if column.name in taken or why_not(profile, column):
            continue
        collected = column.name in profile.structure.varying
        label = _option_label(profile, column) if collected else _clean_label(column.name, place)
        name = safe_name(label if collected else label_of(column.name), names, place=place)
        names.add(name)
        made[column.name] = Chosen(
            profile=column,
            name=name,
            label=label,
            source=name if collected else column.name,
            filled=filled_share(profile, column),
            collected=collected,
        )
    return made


def why_not(profile: Profile, column: ColumnProfile) -> str:
    """Why a column is no attribute; empty when it can be one."""
    lengths = column.plain or column.lengths
    if lengths is None:
        return "empty"
    filled = filled_share(profile, column)
    varying = column.name in profile.structure.varying
    reasons = (
        (column.constant, "the same in every row"),
        (column.kinds.get("url", 0) >= 0.5 * column.values, "addresses"),
        (max(column.kinds.get(kind, 0) for kind in PAIR_KINDS) >= 0.5 * column.values, "lists"),
        (_is_option_name(column.name), "says what an option is called"),
        (_is_code(column) or (is_bookkeeping(column.name) and not _is_option(column.name)), "bookkeeping"),
        (column.type in ("date", "timestamp"), "a date"),
        (varying and column.type != "string" and not _is_option(column.name), "differs between lines of a product"),
        (is_prose(column) or lengths.p95 > LONGEST_VALUE, "a text"),
        (filled < LEAST_FILLED, f"empty in {1 - filled:.0%} of the items"),
    )
    return next((reason for holds, reason in reasons if holds), "")


def _is_code(column: ColumnProfile) -> bool:
    if name_rank(column.name):
        return False
    return bool(column.kinds.get("code")) or bool(key_rank(column.name)) or (column.key and not column.languages)


def _is_option(name: str) -> bool:
    return name.lower().startswith(_OPTION) and name.lower().endswith("value")


def _is_option_name(name: str) -> bool:
    return name.lower().startswith(_OPTION) and name.lower().endswith("name")


def _option_label(profile: Profile, column: ColumnProfile) -> str:
    """What gathered values are: the option's usual name where one holds for most products."""
    if _is_option(column.name):
        teller = column.name[: -len("value")] + ("Name" if column.name.endswith("Value") else "name")
        told = next((one for one in profile.columns if one.name == teller), None)
        if told and told.top and told.top[0].rows >= 0.8 * told.values and told.top[0].value != "Title":
            word = told.top[0].value.lower()
            return word if word.endswith("s") else f"{word}s"
        digits = "".join(filter(str.isdigit, column.name))
        return "options" if digits in ("", "1") else f"further options{' and more' if digits > '2' else ''}"
    return f"all {label_of(column.name).lower()}"


def _clean_label(name: str, place: int) -> str:
    """A label without digits: a check that counts numbers would find them in every text."""
    label = " ".join("".join(" " if char.isdigit() else char for char in label_of(name)).split())
    words = [word_list("spelt").get(word.lower(), word) for word in label.split()]
    # `colour group name` holds no name: the word would only repeat from fact to fact.
    words = words[:-1] if len(words) > 1 and words[-1].lower() == "name" else words
    plain = " ".join(words) if label.isascii() else label
    return (plain.lower() if plain.isascii() else plain) or f"property {'abcdefghijklmnopqrstuvwxyz'[place % 26]}"


def _picked(made: Mapping[str, Chosen]) -> tuple[Chosen, ...]:
    """The most useful ones in the order a prompt shows them: names and kinds always, then the best filled."""
    best = sorted(made.values(), key=lambda one: (-_use(one), prompt_place(one.profile.name)))[:MOST_ATTRIBUTES]
    title = _best(best, name_rank)
    places = {name: place for place, name in enumerate(made)}
    return tuple(
        sorted(best, key=lambda one: (one is not title, prompt_place(one.profile.name), places[one.profile.name]))
    )


def _use(one: Chosen) -> float:
    says_what = one.filled >= HALF and (name_rank(one.profile.name) > 0 or category_rank(one.profile.name) > 0)
    return one.filled + (1 if says_what else 0) + (0.2 if one.profile.type == "string" else 0)


def _best(found: Iterable[Chosen], rank: Callable[[str], int]) -> Chosen | None:
    best = max(found, key=lambda one: (one.filled >= HALF, rank(one.profile.name), one.filled), default=None)
    return best if best and rank(best.profile.name) > 0 else None


def _left_out(
    profile: Profile,
    used: set[str],
    pairs: ColumnProfile | None,
    texts: Mapping[str, ColumnProfile],
    key: ColumnProfile | None,
) -> dict[str, str]:
    """Why each column that is not used is not."""
    named = {profile.structure.group, *(column.name for column in (key, pairs, *texts.values()) if column)} | used
    return {
        column.name: why_not(profile, column) or ("attributes come as pairs" if pairs else "others say more")
        for column in profile.columns
        if column.name not in named
    }
