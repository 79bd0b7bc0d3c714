"""Examples for few-shot prompts: drawn from the corpus by category and diversity, the same ones every time."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import pyarrow.compute as pc

from aigc_core.checks.injection import injection_in
from aigc_core.contracts.recipe import Recipe
from aigc_core.errors import RecipeInvalid, SourceInvalid
from aigc_core.ids import fingerprint
from aigc_core.records import CorpusVersion, Example, Examples
from aigc_core.storage.delta import Table

POOL = 400
"""Pairs compared with each other, drawn by a fixed hash: bounds time and memory whatever the corpus holds."""
MOST_CATEGORIES = 200
"""Categories with examples of their own; items of others are shown those of all."""
_COLUMNS = ["item_id", "product_group", "category", "attributes", "text", "flags"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the examples are for."""

    locale: str
    count: int
    """How many, at least 1."""
    category: str | None = None
    """Those of this category come first; None spreads over all categories."""


def draw_examples(table: Table, corpus: CorpusVersion, wanted: Wanted) -> tuple[Example, ...]:
    """The most diverse training pairs of a locale; neither held-out nor flagged ones, one a product group.

    The first is the one of middle length, each next one is farthest, by Jaccard distance of character trigrams, from
    those drawn (farthest-point sampling, Gonzalez 1985), among the categories drawn least. Depends on the
    corpus version alone, not on the order of its rows. A pair that reads like an instruction to a model is left out.

    Raises:
        SourceInvalid: the corpus has no such pair.
    """
    pools = _pools(table, corpus, wanted.locale, () if wanted.category is None else (wanted.category,))
    return _drawn(pools, wanted.category, wanted.count)


def draw_all(table: Table, corpus: CorpusVersion, recipe: Recipe) -> Examples:
    """What a night's prompts may show: the examples of each locale and of the corpus' largest categories.

    One more than the recipe asks for is drawn of each, so that an item's own product can be passed over.

    Raises:
        SourceInvalid: the corpus has no usable pair in a locale.
        RecipeInvalid: the recipe wants no examples.
    """
    if recipe.few_shot is None:
        raise RecipeInvalid(f"The recipe of {recipe.line} has no `few_shot`.")
    by_category = recipe.few_shot.by_category and recipe.category is not None
    drawn: dict[str, dict[str, tuple[Example, ...]]] = {}
    for locale in recipe.locales:
        categories = _largest(table, corpus, locale) if by_category else ()
        pools = _pools(table, corpus, locale, categories)
        named = {name: _drawn(pools, name, recipe.few_shot.count + 1) for name in categories if pools[name]}
        drawn[locale] = {"": _drawn(pools, None, recipe.few_shot.count + 1), **named}
    return Examples(corpus_version=corpus.version, drawn=drawn)


def _largest(table: Table, corpus: CorpusVersion, locale: str) -> tuple[str, ...]:
    rows = table.dataset(corpus.version).to_table(columns=["category"], filter=pc.field("locale") == locale)
    counts = {one["values"]: one["counts"] for one in pc.value_counts(rows["category"]).to_pylist() if one["values"]}
    return tuple(sorted(counts, key=lambda name: (-counts[name], name))[:MOST_CATEGORIES])


class _Pool:
    """At most `POOL` pairs in the order of a fixed hash, one a product group."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, str, Example]] = []

    def add(self, group: str, example: Example) -> None:
        """Take one more pair; those that cannot be among the first any more are let go."""
        self._rows.append((group, example.item_id, example))
        if len(self._rows) > 4 * POOL:
            self._rows = self._first()

    def examples(self) -> list[Example]:
        """The pairs in order."""
        return [example for *_, example in self._first()]

    def _first(self) -> list[tuple[str, str, Example]]:
        groups: dict[str, tuple[str, str, Example]] = {}
        for row in sorted(self._rows, key=lambda one: one[:2]):
            groups.setdefault(row[0], row)
        return list(groups.values())[:POOL]


def _pools(
    table: Table, corpus: CorpusVersion, locale: str, categories: Sequence[str]
) -> dict[str | None, list[Example]]:
    """The pool of each category, and under None that of all, read in one pass."""
    pools: dict[str | None, _Pool] = {name: _Pool() for name in (*categories, None)}
    chosen = (pc.field("locale") == locale) & ~pc.field("held_out")
    for batch in table.dataset(corpus.version).to_batches(columns=_COLUMNS, filter=chosen):
        for row in batch.to_pylist():
            if row["flags"] or _instructs(row):
                continue
            group, example = fingerprint(row["product_group"]), _example(row)
            pools[None].add(group, example)
            if example.category in pools and example.category is not None:
                pools[example.category].add(group, example)
    found = {name: pool.examples() for name, pool in pools.items()}
    if not found[None]:
        raise SourceInvalid(
            f"The corpus of {corpus.line} has no unflagged training pair in {locale!r}.",
            remedy="Ingest a corpus with texts in that language.",
        )
    return found


def _instructs(row: Mapping[str, Any]) -> bool:
    return injection_in([row["text"], *(part for one in row["attributes"] for part in one.values())]) is not None


def _example(row: Mapping[str, Any]) -> Example:
    names = ("item_id", "product_group", "category", "text")
    pairs = tuple((one["name"], one["value"]) for one in row["attributes"])
    return Example(**{name: row[name] for name in names}, attributes=pairs)


def _drawn(pools: Mapping[str | None, Sequence[Example]], category: str | None, count: int) -> tuple[Example, ...]:
    """The category's own first, then others."""
    own = list(_spread(pools[category], count, ()))
    if category is not None and len(own) < count:
        others = [one for one in pools[None] if one.category != category]
        own += _spread(others, count - len(own), own)
    return tuple(own)


def _spread(pool: Sequence[Example], count: int, drawn: Sequence[Example]) -> Iterator[Example]:
    """Up to `count` of the pool, each as far from those drawn before as can be."""
    shingles = [_trigrams(one.text) for one in pool]
    taken = [_trigrams(one.text) for one in drawn]
    nearest = [min((_distance(own, other) for other in taken), default=1.0) for own in shingles]
    used, left = Counter(one.category for one in drawn), set(range(len(pool)))
    middle = median([len(one.text) for one in pool]) if pool else 0
    off_middle = [abs(len(one.text) - middle) for one in pool]
    while left and count:
        first = not used
        ranked = ((used[pool[i].category], off_middle[i] if first else -nearest[i], i) for i in left)
        best = min(ranked)[-1]
        left.remove(best)
        used[pool[best].category] += 1
        count -= 1
        for i in left:
            nearest[i] = min(nearest[i], _distance(shingles[i], shingles[best]))
        yield pool[best]


def _trigrams(text: str) -> frozenset[str]:
    folded = " ".join(text.casefold().split())
    return frozenset(folded[at : at + 3] for at in range(max(len(folded) - 2, 1)))


def _distance(one: frozenset[str], other: frozenset[str]) -> float:
    return 1 - len(one & other) / (len(one | other) or 1)
