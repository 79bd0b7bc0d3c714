"""Every request ends in exactly one state, and what was not published is kept with its reason."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shop import LINE, Made, Shop, item

from aigc_core.catalog.outcomes import Occasion, Outcomes, keep_rejects, write_findings, write_outcomes
from aigc_core.errors import ConservationBroken
from aigc_core.records import TERMINAL_STATES, Edition, Gate

pytest_plugins = ("shop_fixtures",)

OCCASION = Occasion(line=LINE, run_id="run-1", date="2026-01-01")
EDITION = Edition(run_id="run-1", table="t", version=1, published=14)
DECIDED = "2026-01-01T02:00:00+00:00"


def ended(made: Made, folder: Path, edition: Edition | None = EDITION) -> tuple[Outcomes, list[dict[str, Any]]]:
    """The outcomes and their rows."""
    outcomes = write_outcomes(made.batch, made.report, edition, OCCASION, folder / "outcomes.parquet")
    return outcomes, pq.read_table(outcomes.path).to_pylist()


def test_states_add_up_to_the_requests(mixed: Made, tmp_path: Path) -> None:
    outcomes, rows = ended(mixed, tmp_path)
    assert set(outcomes.states) == set(TERMINAL_STATES)
    assert sum(outcomes.states.values()) == len(rows) == mixed.batch.requests.requests
    assert {state: count for state, count in outcomes.states.items() if count} == {
        "published": 14,
        "rejected": 2,
        "duplicate": 2,
        "no_data": 2,
        "failed": 2,
    }


def test_every_row_says_why_it_was_asked_and_how_it_ended(mixed: Made, tmp_path: Path) -> None:
    _, rows = ended(mixed, tmp_path)
    by_item = {row["item_id"]: row for row in rows if row["locale"] == "en"}
    assert (by_item["S-003"]["why"], by_item["S-003"]["state"], by_item["S-003"]["attempts"]) == ("new", "published", 2)
    assert (by_item["S-005"]["state"], by_item["S-005"]["attempts"]) == ("no_data", 0)
    assert by_item["S-002"]["reason"] == "Q-F2 number not in the attributes"


def test_reasons_leave_out_what_needs_none(mixed: Made, tmp_path: Path) -> None:
    outcomes, _ = ended(mixed, tmp_path)
    assert "" not in outcomes.reasons
    assert sum(outcomes.reasons.values()) == 8


def test_seen_and_unseen_are_told_apart(shop: Shop) -> None:
    requests = shop.requests([item(1), item(2)], seen=["G-001"])
    made = shop.made([item(1), item(2)])
    outcomes, _ = ended(replace(made, batch=replace(made.batch, requests=requests)), shop.root)
    assert outcomes.seen == {"seen": {}, "unseen": {"published": 4}}


def test_a_blocked_run_publishes_nothing(mixed: Made, tmp_path: Path) -> None:
    gate = Gate(gate_id="H-2", level="block", measure="m", value=1.0, rule="<= 0", passed=False)
    blocked = replace(mixed, report=replace(mixed.report, gates=(gate,)))
    outcomes, _ = ended(blocked, tmp_path, edition=None)
    assert (outcomes.states["published"], outcomes.states["quarantined"]) == (0, 14)
    assert outcomes.reasons["run blocked by H-2"] == 14


def test_a_missing_decision_breaks_conservation(mixed: Made, tmp_path: Path) -> None:
    first = pq.ParquetFile(mixed.report.decisions).read_row_group(0)
    names = ["x", *first["request_key"].to_pylist()[1:]]
    path = tmp_path / "decisions.parquet"
    pq.write_table(first.set_column(1, first.schema.field("request_key"), pa.array(names)), path)
    with pytest.raises(ConservationBroken, match="decision and request differ at S-001"):
        ended(replace(mixed, report=replace(mixed.report, decisions=str(path))), tmp_path)


def test_rejects_are_kept_once_with_text_findings_and_reason(mixed: Made, shop: Shop) -> None:
    for _ in range(2):
        keep_rejects(mixed.batch, mixed.report, shop.rejects, decided_at=DECIDED)
    rows = shop.rejects.dataset().to_table().to_pylist()
    assert sorted({(row["item_id"], row["state"]) for row in rows}) == [
        ("S-002", "rejected"),
        ("S-004", "failed"),
        ("S-007", "duplicate"),
    ]
    assert len(rows) == 6
    bad = next(row for row in rows if row["item_id"] == "S-002" and row["locale"] == "en")
    assert "777" in bad["text"]
    assert json.loads(bad["findings"])[0]["check_id"] == "Q-F2"
    assert bad["decided_at"].isoformat() == DECIDED


def test_nothing_rejected_is_no_table(shop: Shop) -> None:
    made = shop.made([item(1)])
    assert keep_rejects(made.batch, made.report, shop.rejects, decided_at=DECIDED) is None
    assert not shop.rejects.exists()


def test_findings_of_every_attempt_are_kept(mixed: Made, tmp_path: Path) -> None:
    write_findings(mixed.verdicts, OCCASION, tmp_path / "findings.parquet")
    rows = pq.read_table(tmp_path / "findings.parquet").to_pylist()
    attempts = sorted(
        (row["attempt"], row["locale"]) for row in rows if row["item_id"] == "S-002" and row["check_id"] == "Q-F2"
    )
    assert attempts == [(attempt, locale) for attempt in (1, 2, 3) for locale in ("en", "zh")]
    assert {(row["line"], row["run_id"]) for row in rows} == {(LINE, "run-1")}
    assert all(0 <= span["start"] <= span["end"] for row in rows for span in row["spans"])
