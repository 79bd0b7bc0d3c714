"""Examples for few-shot prompts: drawn from the corpus by category and diversity, the same ones every time."""

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import pyarrow.compute as pc

from aigc_core.errors import SourceInvalid
from aigc_core.ids import fingerprint
from aigc_core.records import CorpusVersion
from aigc_core.storage.delta import Table

POOL = 400
"""Pairs compared with each other, drawn by a fixed hash: bounds time and memory whatever the corpus holds."""
_COLUMNS = ["item_id", "product_group", "category", "attributes", "text", "flags"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One pair to show a model."""

    item_id: str
    category: str | None
    attributes: tuple[tuple[str, str], ...]
    """(name, value) in prompt order; names may repeat."""
    text: str


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
    corpus version alone, not on the order of its rows.

    Raises:
        SourceInvalid: the corpus has no such pair.
    """
    own = list(_spread(_pool(table, corpus, wanted.locale, wanted.category), wanted.count, ()))
    if wanted.category is not None and len(own) < wanted.count:
        others = [one for one in _pool(table, corpus, wanted.locale, None) if one.category != wanted.category]
        own += _spread(others, wanted.count - len(own), own)
    if not own:
        raise SourceInvalid(
            f"The corpus of {corpus.line} has no unflagged training pair in {wanted.locale!r}.",
            remedy="Ingest a corpus with texts in that language.",
        )
    return tuple(own)


def _pool(table: Table, corpus: CorpusVersion, locale: str, category: str | None) -> list[Example]:
    """At most `POOL` pairs in the order of a fixed hash, one a product group."""
    drawn = heapq.nsmallest(POOL * 4, _hashed(table, corpus, locale, category), key=lambda one: one[:2])
    groups: dict[str, Example] = {}
    for _, _, group, example in drawn:
        groups.setdefault(group, example)
    return list(groups.values())[:POOL]


def _hashed(
    table: Table, corpus: CorpusVersion, locale: str, category: str | None
) -> Iterator[tuple[str, str, str, Example]]:
    chosen = (pc.field("locale") == locale) & ~pc.field("held_out")
    if category is not None:
        chosen = chosen & (pc.field("category") == category)
    for batch in table.dataset(corpus.version).to_batches(columns=_COLUMNS, filter=chosen):
        for row in batch.to_pylist():
            if not row["flags"]:
                pairs = tuple((one["name"], one["value"]) for one in row["attributes"])
                example = Example(item_id=row["item_id"], category=row["category"], attributes=pairs, text=row["text"])
                yield fingerprint(row["product_group"]), row["item_id"], row["product_group"], example


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
