import math
from pathlib import Path

import pytest
from contract_files import items

from aigc_core.contracts.check import run_gates
from aigc_core.contracts.model import ObjectContract
from aigc_core.records import Gate

SHARE = "name: share, logicalType: number"
ROWS = "name: rows, logicalType: integer"


def run(folder: Path, *quality: str) -> ObjectContract:
    return items(folder, SHARE, ROWS, quality=quality)


def test_each_sql_rule_is_a_gate_with_value_rule_and_level(tmp_path: Path) -> None:
    contract = run(
        tmp_path,
        "id: H-2, type: sql, query: 'SELECT share FROM {object}', mustBeLessOrEqualTo: 0.05",
        "id: H-3, type: sql, query: 'SELECT rows FROM ${table}', mustBeGreaterThan: 10, severity: warning",
    )
    assert run_gates(contract, {"share": 0.05, "rows": 10}) == (
        Gate(gate_id="H-2", level="block", measure="share", value=0.05, rule="<= 0.05", passed=True),
        Gate(gate_id="H-3", level="warn", measure="rows", value=10.0, rule="> 10", passed=False),
    )


@pytest.mark.parametrize("share", [None, math.nan, math.inf])
@pytest.mark.parametrize(
    "query",
    [
        "SELECT share FROM {object}",
        "SELECT count(*) FROM {object} WHERE share > 0.05",
        'SELECT count(*) FROM {object} WHERE "share" > 0.05',
        "SELECT count(*) FROM {object} WHERE SHARE < 0.9",
    ],
)
def test_a_measure_that_was_not_taken_never_passes(tmp_path: Path, share: float | None, query: str) -> None:
    contract = run(tmp_path, f"id: g, type: sql, query: '{query}', mustBe: 0")
    gate = run_gates(contract, {"share": share, "rows": 1})[0]
    assert (gate.value, gate.passed) == (None, False)


def test_an_absent_measure_fails_only_the_rules_that_mention_it(tmp_path: Path) -> None:
    contract = run(
        tmp_path,
        "id: a, type: sql, query: 'SELECT share FROM {object}', mustBeLessThan: 1",
        "id: b, type: sql, query: 'SELECT rows FROM {object}', mustBeGreaterThan: 0",
    )
    assert [gate.passed for gate in run_gates(contract, {"rows": 5})] == [False, True]


@pytest.mark.parametrize("query", ["SELECT rows / 0 FROM {object}", "SELECT rows FROM {object} WHERE 1 = 0"])
def test_a_query_without_a_number_never_passes(tmp_path: Path, query: str) -> None:
    gate = run_gates(run(tmp_path, f"type: sql, query: '{query}', mustNotBe: 7"), {"share": 0.1, "rows": 5})[0]
    assert (gate.value, gate.passed) == (None, False)


def test_a_query_that_fails_on_the_data_never_passes(tmp_path: Path) -> None:
    query = "SELECT CASE WHEN rows > 0 THEN CAST(repeat(chr(120), CAST(rows AS INTEGER)) AS INTEGER) END FROM {object}"
    gate = run_gates(run(tmp_path, f"type: sql, query: '{query}', mustNotBe: 7"), {"share": 0.1, "rows": 5})[0]
    assert (gate.value, gate.passed) == (None, False)


def test_measures_beyond_the_declared_ones_do_no_harm(tmp_path: Path) -> None:
    contract = run(tmp_path, "type: sql, query: 'SELECT rows FROM {object}', mustBe: 5")
    assert run_gates(contract, {"share": 0.1, "rows": 5, "new": 1, "odd": None})[0].passed


def test_a_constraint_that_the_measures_break_is_a_failed_gate(tmp_path: Path) -> None:
    contract = items(tmp_path, SHARE + ", required: true, logicalTypeOptions: {maximum: 1}", ROWS + ", required: true")
    assert run_gates(contract, {"share": 1.0, "rows": 0}) == ()
    low, absent = run_gates(contract, {"share": 1.5})
    assert (low.measure, low.value, low.rule, low.level, low.passed) == (
        "share",
        1.5,
        "not share: above 1",
        "block",
        False,
    )
    assert (absent.measure, absent.value, absent.rule) == ("rows", None, "not rows: missing")
