"""However a catalogue is divided over nights: nothing is asked for twice, and a request's key is its own."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st
from shop import LINE, Shop, item

from aigc_core.catalog.outcomes import keep_rejects
from aigc_core.catalog.publish import Shelf, publish, published_schema
from aigc_core.contracts.content_line import ContentLine
from aigc_core.records import RequestSet

pytest_plugins = ("shop_fixtures",)

KINDS: dict[str, dict[str, object]] = {
    "fine": {},
    "bad": {"feature": "bad"},
    "second": {"feature": "second try"},
    "lacking": {"material": None},
}
"""What becomes of an item: published, rejected, published at the second attempt, no data."""
Row = dict[str, object]
Keys = dict[tuple[str, str, str], str]
"""(item, locale, attributes digest) -> request key."""


@dataclass(slots=True)
class Nights:
    """A lake and the nights it has seen."""

    shop: Shop
    number: int = 0
    keys: Keys = field(default_factory=dict)

    def plan(self, rows: Sequence[Row]) -> RequestSet:
        """What a night over these rows would do; every key is the one that was seen before."""
        return self._seen(self.shop.requests(rows, self._run()))

    def decide(self, rows: Sequence[Row]) -> RequestSet:
        """A night over these rows to its end."""
        made = self.shop.made(rows, self._run())
        schema = published_schema(LINE, self.shop.line.recipe.label)
        publish(made.batch, made.report, made.report.require_passed(), Shelf(table=self.shop.shelf, schema=schema))
        keep_rejects(made.batch, made.report, self.shop.rejects, decided_at=f"2026-01-{self.number:02d}T00:00:00+00:00")
        return self._seen(made.batch.requests)

    def _run(self) -> str:
        self.number += 1
        return f"run-{self.number}"

    def _seen(self, requests: RequestSet) -> RequestSet:
        assert requests.requests == requests.to_generate + sum(requests.states.values())
        assert requests.requests == sum(requests.reasons.values())
        found = keys_of(requests)
        assert len(found) == requests.requests
        assert all(self.keys.setdefault(name, key) == key for name, key in found.items())
        return requests


def keys_of(requests: RequestSet) -> Keys:
    """The keys of a plan."""
    names = ["item_id", "locale", "attributes_digest", "request_key"]
    rows = pq.read_table(requests.path, columns=names).to_pylist()
    return {(row["item_id"], row["locale"], row["attributes_digest"]): row["request_key"] for row in rows}


@st.composite
def divided(draw: st.DrawFn) -> list[list[Row]]:
    """Items of every kind, each in one to three nights, in any order, some with other attributes each night."""
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=5))
    nights: list[list[Row]] = [[], [], []]
    for number, kind in enumerate(kinds):
        for night in sorted(draw(st.sets(st.integers(0, 2), min_size=1))):
            size = draw(st.sampled_from([250, 500]))
            nights[night].append(item(number, **KINDS[kind], capacity_ml=size))
    return [draw(st.permutations(rows)) for rows in nights if rows]


@settings(max_examples=8, deadline=None)
@given(nights=divided(), order=st.randoms(use_true_random=False))
def test_what_was_decided_is_not_asked_for_again_and_keys_stay(
    line: ContentLine, nights: list[list[Row]], order: Random
) -> None:
    with TemporaryDirectory() as home:
        lake = Nights(Shop(root=Path(home), line=line))
        for rows in nights:
            lake.decide(rows)
        latest = list({str(row["sku"]): row for rows in nights for row in rows}.values())
        order.shuffle(latest)
        again = lake.plan(latest)
        assert (again.to_generate, again.requests) == (0, 2 * len(latest))
        fresh = Nights(Shop(root=Path(home) / "fresh", line=line))
        at_once = keys_of(fresh.plan(sorted(latest, key=lambda row: str(row["sku"]))))
        assert at_once.items() <= lake.keys.items()


@settings(max_examples=15, deadline=None)
@given(nights=divided())
def test_a_key_depends_on_its_own_item_alone(line: ContentLine, nights: list[list[Row]]) -> None:
    with TemporaryDirectory() as home:
        lake = Nights(Shop(root=Path(home), line=line))
        for rows in (*nights, *nights[::-1]):
            assert lake.plan(rows).to_generate == 2 * sum("material" in row for row in rows)
        assert len(set(lake.keys.values())) == len(lake.keys)
