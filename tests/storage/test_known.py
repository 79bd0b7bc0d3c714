"""Tonight's requests beside what earlier nights decided."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from aigc_core.storage.delta import Table
from aigc_core.storage.files import write_table
from aigc_core.storage.known import BIT, Known
from aigc_core.storage.tombstones import TOMBSTONES, Tombstones

LOCALES = ("zh", "en")
LATER = ("template_digest", "examples_digest", "engine", "dtype", "sampling_digest")
"""Columns that tables of an older lake lack."""
DIGESTS = ("prompt_digest", "model_digest", "decode_digest", "check_config_digest")
NOW = {name: f"{name} now" for name in (*DIGESTS, *LATER)}
OLDER = NOW | {name: f"{name} of all" for name in ("template_digest", "examples_digest")}
"""The same for rows that tell of all locales and items together."""
THEN = {"attributes_digest": "a", **NOW}


def decision(item_id: str, run_id: str, *, day: int = 1, locale: str = "en") -> dict[str, Any]:
    """One decision of an earlier night."""
    said = {"state": "rejected", "reason": f"why {run_id} said so", "decided_at": datetime(2026, 1, day, tzinfo=UTC)}
    return {"item_id": item_id, "locale": locale, "run_id": run_id, "content_sha256": "h"} | said | THEN


@pytest.fixture
def catalogue(tmp_path: Path) -> str:
    """Three items, not in the order of their names."""
    path = tmp_path / "catalogue.parquet"
    named = {"item_id": ["c", "a", "b"], "product_group": ["c", "a", "b"], "category": ["mug", "mug", None]}
    rows = {"position": [0, 1, 2], **named, "attributes_digest": ["a"] * 3}
    empty = pa.array([[]] * 3, pa.list_(pa.string()))
    write_table(path, pa.table(rows).append_column("missing", empty).append_column("attributes", empty))
    return str(path)


@pytest.fixture
def known(tmp_path: Path) -> Known:
    """Nothing known yet."""
    tables = {name: Table(str(tmp_path / name)) for name in ("published", "rejects", "rejudged")}
    return Known(**tables, tombstones=Tombstones(Table(str(tmp_path / "takedowns")), "mugs"), scratch=tmp_path / "s")


def fill(table: Table, *decisions: dict[str, Any]) -> None:
    """Decisions as a table."""
    rows = pa.Table.from_pylist(list(decisions))
    table.create(rows.schema, stats=("item_id",))
    table.append_once(lambda: rows, key="all", note={})


def kinds(*locales: str) -> pa.Table:
    """Tonight's digests of the locales' prompts."""
    told = {name: NOW[name] for name in ("template_digest", "examples_digest", "prompt_digest")}
    return pa.Table.from_pylist([{"locale": one, "category": "", "product_group": "", **told} for one in locales])


def beside(known: Known, catalogue: str, *locales: str) -> list[dict[str, Any]]:
    """All rows of the join."""
    with known.beside(catalogue, kinds(*locales), OLDER) as found:
        return [row for batch in found.rows() for row in batch.to_pylist()]


def test_the_first_night_knows_nothing(known: Known, catalogue: str) -> None:
    found = beside(known, catalogue, *LOCALES)
    assert [row.pop("position") for row in found] == list(range(6))
    assert [row.pop("taken") for row in found] == [False] * 6
    assert {value for row in found for value in row.values()} == {None}


def test_what_was_published_stands_at_its_item_and_locale(known: Known, catalogue: str) -> None:
    fill(known.published, decision("a", "run-1"), decision("elsewhere", "run-1"))
    found = [row for row in beside(known, catalogue, *LOCALES) if row["published_run_id"]]
    assert [(row["position"], row["published_changed"]) for row in found] == [(3, 0)]


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("attributes_digest", "attributes"),
        ("template_digest", "prompt"),
        ("examples_digest", "examples"),
        ("model_digest", "model"),
        ("engine", "engine"),
        ("dtype", "engine"),
        ("sampling_digest", "sampling"),
        ("check_config_digest", "rules"),
    ],
)
def test_each_change_has_its_bit(known: Known, catalogue: str, column: str, name: str) -> None:
    fill(known.published, decision("a", "run-1") | {column: "then"})
    fill(known.rejects, decision("b", "run-1") | {column: "then"})
    found = beside(known, catalogue, "en")
    assert (found[1]["published_changed"], found[2]["refused_changed"]) == (BIT[name], BIT[name])


def before(decided: dict[str, Any]) -> dict[str, Any]:
    """The decision as an older lake told of it."""
    return {name: value for name, value in decided.items() if name not in LATER}


def test_what_a_row_does_not_tell_has_not_changed(known: Known, catalogue: str) -> None:
    fill(known.published, before(decision("a", "run-1")))
    fill(known.rejects, before(decision("b", "run-1")))
    found = beside(known, catalogue, "en")
    assert (found[1]["published_changed"], found[2]["refused_changed"]) == (0, 0)


def test_rows_of_an_older_lake_stand_beside_newer_ones(known: Known, catalogue: str) -> None:
    unknown = dict.fromkeys(LATER)
    fill(known.published, decision("a", "run-1") | {"engine": "then"}, decision("b", "run-1") | unknown)
    assert [row["published_changed"] for row in beside(known, catalogue, "en")] == [None, BIT["engine"], 0]


@pytest.mark.parametrize(("whole", "name"), [("decode_digest", "sampling"), ("prompt_digest", "prompt")])
def test_what_an_older_lake_tells_together_is_compared_together(
    known: Known, catalogue: str, whole: str, name: str
) -> None:
    fill(known.published, before(decision("a", "run-1")) | {whole: "then"})
    assert beside(known, catalogue, "en")[1]["published_changed"] == BIT[name]


@pytest.mark.parametrize(
    ("whole", "part", "one", "other", "rest"),
    [
        ("decode_digest", "engine", "engine", "sampling", "sampling_digest"),
        ("prompt_digest", "examples_digest", "examples", "prompt", "template_digest"),
    ],
)
def test_what_is_told_apart_is_compared_apart(
    known: Known, catalogue: str, whole: str, part: str, one: str, other: str, rest: str
) -> None:
    another = {part: "then", whole: "then"}
    fill(known.published, decision("a", "run-1") | another)
    fill(known.rejects, decision("a", "run-1") | another | {rest: "then"})
    found = beside(known, catalogue, "en")[1]
    assert (found["published_changed"], found["refused_changed"]) == (BIT[one], BIT[one] | BIT[other])


def test_the_latest_refusal_counts(known: Known, catalogue: str) -> None:
    fill(known.rejects, decision("b", "run-2", day=2) | {"state": "failed"}, decision("b", "run-1", day=1))
    (found,) = [row for row in beside(known, catalogue, "en") if row["refused_run_id"]]
    told = ("position", "refused_run_id", "refused_state", "refused_reason")
    assert [found[name] for name in told] == [2, "run-2", "failed", "why run-2 said so"]


def test_no_item_comes_twice_when_it_is_both(known: Known, catalogue: str) -> None:
    fill(known.published, decision("a", "run-1"))
    fill(known.rejects, decision("a", "run-2", day=2), decision("a", "run-3", day=2))
    found = beside(known, catalogue, "en")
    assert [row["position"] for row in found] == [0, 1, 2]
    assert (found[1]["published_run_id"], found[1]["refused_run_id"]) == ("run-1", "run-3")


def test_a_verdict_under_tonights_rules_answers_for_the_rules(known: Known, catalogue: str) -> None:
    fill(
        known.published,
        decision("a", "run-1") | {"check_config_digest": "then"},
        decision("b", "run-1") | {"check_config_digest": "then"},
    )
    verdict = {"locale": "en", "of_run": "run-1", "check_config_digest": NOW["check_config_digest"], "reason": ""}
    fill(known.rejudged, verdict | {"item_id": "a", "holds": True}, verdict | {"item_id": "b", "holds": False})
    found = beside(known, catalogue, "en")
    assert (found[1]["published_changed"], found[2]["published_changed"]) == (0, BIT["rules"])


@pytest.mark.parametrize("tombstone", [{"item_id": "a"}, {"item_id": "a", "locale": "en"}, {"content_sha256": "h"}])
def test_items_and_texts_under_takedown_are_marked(
    known: Known, catalogue: str, tmp_path: Path, tombstone: dict[str, str]
) -> None:
    fill(known.published, decision("a", "run-1"))
    table = Table(str(tmp_path / "takedowns"))
    table.create(TOMBSTONES, stats=("tombstone_id",))
    row = {"tombstone_id": "t", "reason_code": "rights", "effective_at": datetime(2026, 1, 1, tzinfo=UTC)} | tombstone
    table.append_once(lambda: pa.Table.from_pylist([row], schema=TOMBSTONES), key="t", note={})
    known = replace(known, tombstones=Tombstones(table, "mugs"))
    assert [row["taken"] for row in beside(known, catalogue, "en")] == [False, True, False]
