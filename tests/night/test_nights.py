"""Whole nights on a real lake: what changed is made, what did not is left, and every request is accounted for."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from shop import LINE, MIXED, Shop, item, rows_of, walk, write_line

from aigc_core.catalog.query import run_query
from aigc_core.errors import AuditBlocked
from aigc_core.night import close, pin
from aigc_core.records import TERMINAL_STATES, RunSummary
from aigc_core.workspace import finished_run, open_workspace, query_sources

pytest_plugins = ("shop_fixtures",)

STRICT = {"publish": {"max_reject_share": 0.04}}
JUDGED = [row for row in MIXED if row["feature"] != "broken"]
"""Those of which a check said something: what the engine failed at is tried again every night."""


def ended(summary: RunSummary) -> dict[str, int]:
    """The states that anything ended in."""
    return {state: count for state, count in summary.states.items() if count}


def test_a_first_night_publishes_what_holds(finished: tuple[Shop, RunSummary]) -> None:
    shop, summary = finished
    assert ended(summary) == {"published": 14, "rejected": 2, "duplicate": 2, "no_data": 2, "failed": 2}
    assert set(summary.states) == set(TERMINAL_STATES)
    assert sum(summary.states.values()) == summary.requests == sum(summary.planned.values()) == 22
    assert (summary.edition, summary.blocked, len(rows_of(shop.shelf))) == (1, False, 14)
    assert Path(summary.report).is_file()


def test_the_same_catalogue_again_makes_nothing_however_often(open_shop: Shop) -> None:
    first, second, third = (open_shop.night(JUDGED) for _ in range(3))
    assert ended(second) == {"unchanged": 18, "no_data": 2}
    assert (second.edition, second.attempts, second.run_id == first.run_id) == (None, {}, False)
    assert third == second
    assert len(open_workspace(str(open_shop.root / "lake")).runs()) == 2
    assert open_shop.shelf.version() == 1


def test_what_the_engine_failed_at_is_tried_again(open_shop: Shop) -> None:
    rows = [item(1), item(4, feature="broken")]
    open_shop.night(rows)
    summary = open_shop.night(rows, date="2026-01-02")
    assert summary.planned == {"published before": 2, "retry of failed": 2}
    assert (ended(summary), summary.attempts) == ({"unchanged": 2, "failed": 2}, {"1": 2, "2": 2, "3": 2})


def test_a_night_costs_what_changed(open_shop: Shop) -> None:
    open_shop.night([item(1), item(2), item(3)])
    summary = open_shop.night([item(1), item(2, capacity_ml=999), item(4)], date="2026-01-02")
    assert summary.planned == {"attributes changed": 2, "new": 2, "published before": 2}
    assert summary.attempts == {"1": 4}
    runs = {row["item_id"]: row["run_id"] for row in rows_of(open_shop.shelf)}
    assert {name for name, run in runs.items() if run == summary.run_id} == {"S-002", "S-004"}
    assert len(rows_of(open_shop.shelf)) == 8


def test_a_changed_prompt_writes_again(open_shop: Shop) -> None:
    open_shop.night([item(1)])
    write_line(open_shop.root / "lines", prompt="{{ locale }}: {{ attributes[0].value }} =>")
    assert open_shop.night([item(1)]).planned == {"prompt changed": 2}


def test_rejections_are_tried_again_on_demand(open_shop: Shop) -> None:
    rows = [item(2, feature="bad"), item(3), item(4)]
    open_shop.night(rows)
    summary = open_shop.night(rows, date="2026-01-02", retry_rejected=True)
    assert summary.planned == {"published before": 4, "retry of rejected": 2}
    assert (summary.attempts, summary.blocked) == ({"1": 2, "2": 2, "3": 2}, False)
    assert ended(summary) == {"unchanged": 4, "rejected": 2}


def test_a_blocked_night_publishes_nothing_says_so_and_is_tried_again(open_shop: Shop) -> None:
    write_line(open_shop.root / "lines", **STRICT)
    summary = open_shop.night(MIXED)
    assert (summary.blocked, summary.edition, summary.states["published"]) == (True, None, 0)
    assert ended(summary)["quarantined"] == 14
    assert not open_shop.shelf.exists()
    assert not open_shop.rejects.exists()
    with pytest.raises(AuditBlocked, match=r"The audit blocked run .*H-2: .*Nothing was published.*report\.html"):
        close.settle(summary)
    write_line(open_shop.root / "lines")
    assert open_shop.night(MIXED).states["published"] == 14


def test_a_limited_night_leaves_the_rest_alone(open_shop: Shop) -> None:
    rows = [item(number) for number in range(8)]
    summary = walk(pin.start(open_shop.order(rows, limit=3)))
    assert (summary.requests, len(rows_of(open_shop.shelf))) == (6, 6)


def test_doors_and_their_reasons_are_in_the_summary(open_shop: Shop) -> None:
    summary = open_shop.night([item(1), item(1), item(2, category="gift card")])
    (door,) = summary.doors
    assert (door.rows, door.accepted, door.quarantined, door.repeated) == (3, 1, 1, 1)
    assert summary.reasons == {"catalogue category: not one of the allowed values": 1}


def test_a_finished_night_is_in_the_index_once(finished: tuple[Shop, RunSummary]) -> None:
    shop, summary = finished
    workspace = open_workspace(str(shop.root / "lake"))
    (row,) = workspace.run_index().dataset().to_table().to_pylist()
    assert (row["run_id"], row["published"], row["blocked"], row["edition"]) == (summary.run_id, 14, False, 1)
    assert json.loads(row["summary"])["requests"] == 22
    assert finished_run(workspace, summary.run_id) == summary


def test_every_question_has_its_table(finished: tuple[Shop, RunSummary]) -> None:
    sources = query_sources(open_workspace(str(finished[0].root / "lake")))
    told = {"rejects", "requests", "outcomes", "findings", "runs"}
    assert set(sources) == told | {f"published_{LINE}", f"catalogue_{LINE}"}
    assert sources["outcomes"].count_rows() == sources["requests"].count_rows() == 22


@pytest.mark.parametrize(
    "where", ["item_id = 'S-001'", "text LIKE '%251 ml%'", "locale IN ('en', 'zh') AND text LIKE '%251%'"]
)
def test_the_shelf_can_be_asked_by_any_column(finished: tuple[Shop, RunSummary], where: str) -> None:
    sources = query_sources(open_workspace(str(finished[0].root / "lake")))
    answer = run_query(f"SELECT DISTINCT item_id FROM published_{LINE} WHERE {where}", sources)  # noqa: S608 -- ours
    assert answer.rows.to_pylist() == [{"item_id": "S-001"}]


def test_outcomes_and_shelf_agree(finished: tuple[Shop, RunSummary]) -> None:
    shop, summary = finished
    rows = pq.read_table(shop.folder(summary.run_id).file("outcomes.parquet")).to_pylist()
    published = {(row["item_id"], row["locale"]) for row in rows if row["state"] == "published"}
    assert published == {(row["item_id"], row["locale"]) for row in rows_of(shop.shelf)}


def test_a_summary_in_words_holds_no_generated_text(finished: tuple[Shop, RunSummary]) -> None:
    summary = finished[1]
    text = close.markdown_of(summary)
    assert "14 published" in text
    assert "Birch" not in text
    assert {row["state"]: row["requests"] for row in close.table_of(summary)} == summary.states
