from dataclasses import replace
from pathlib import Path

import pytest
from contract_files import contract_file, contract_text, items, raw

from aigc_core.contracts.check import Door, Split, check_rows, run_gates
from aigc_core.contracts.model import ObjectContract, SqlRule
from aigc_core.contracts.odcs import read_contract
from aigc_core.contracts.row_queries import row_query
from aigc_core.errors import ContractInvalid

ID = "name: item_id, logicalType: string, primaryKey: true"
KIND = "name: category, logicalType: string"
SIZE = "name: capacity, logicalType: number"
BOTTLE = (
    "id: bottles, type: sql, description: capacity must be above zero when category is bottle, mustBe: 0, "
    "query: \"SELECT count(*) FROM {object} WHERE category = 'bottle' AND (capacity IS NULL OR capacity <= 0)\""
)
ROWS: list[dict[str, object]] = [
    {"item_id": "1", "category": "bottle", "capacity": 0},
    {"item_id": "2", "category": "bottle", "capacity": 1.5},
    {"item_id": "3", "category": "lid", "capacity": None},
    {"item_id": "4", "category": "bottle", "capacity": ""},
]


def shop(folder: Path, *quality: str) -> ObjectContract:
    return items(folder, ID, KIND, SIZE, quality=quality)


def split(contract: ObjectContract, *rows: dict[str, object]) -> Split:
    return next(Door(contract).split([raw(*(rows or ROWS))]))


def test_a_row_that_meets_the_condition_is_refused_with_the_description(tmp_path: Path) -> None:
    found = split(shop(tmp_path, BOTTLE))
    reason = "category, capacity: capacity must be above zero when category is bottle"
    assert [(one.number, one.column, one.reason) for one in found.refused] == [
        (1, "category", reason),
        (4, "category", reason),
    ]
    assert found.numbers == (2, 3)


def test_every_batch_is_judged_on_the_same_open_connection(tmp_path: Path) -> None:
    door = Door(shop(tmp_path, BOTTLE), batch_rows=1)
    assert [len(one.refused) for one in door.split([raw(*ROWS)])] == [1, 0, 0, 1]


def test_a_name_stands_in_for_a_description_and_the_condition_for_both(tmp_path: Path) -> None:
    bare = BOTTLE.replace("description: capacity must be above zero when category is bottle, ", "")
    assert split(shop(tmp_path, bare + ", name: no empty bottles")).refused[0].reason.endswith(": no empty bottles")
    assert "meets ((category = 'bottle') AND" in split(shop(tmp_path, bare)).refused[0].reason


def test_a_rule_under_a_property_names_it(tmp_path: Path) -> None:
    rule = "{type: sql, description: negative, query: 'SELECT count(*) FROM ${table} WHERE {property} < 0', mustBe: 0}"
    found = split(items(tmp_path, ID, SIZE + f", quality: [{rule}]"), {"item_id": 1, "capacity": -1})
    assert [one.reason for one in found.refused] == ["capacity: negative"]


def test_a_condition_that_cannot_be_evaluated_on_a_row_refuses_that_row(tmp_path: Path) -> None:
    rule = (
        "type: sql, description: not below 9, query: 'SELECT count(*) FROM items WHERE CAST(category AS INTEGER) >= 9'"
    )
    rows: list[dict[str, object]] = [{"item_id": number, "category": number} for number in ("7", "x", "9")]
    found = split(shop(tmp_path, rule + ", mustBe: 0"), *rows)
    assert [(one.number, one.reason, one.detail) for one in found.refused] == [
        (2, *["category: not below 9 (cannot be evaluated)"] * 2),
        (3, *["category: not below 9"] * 2),
    ]
    assert found.numbers == (1,)


def test_typed_rows_are_told_as_well_what_cannot_be_evaluated(tmp_path: Path) -> None:
    rule = "type: sql, description: odd, query: 'SELECT count(*) FROM items WHERE CAST(category AS INTEGER) > 8'"
    table = split(items(tmp_path, ID, KIND, SIZE), {"item_id": "1", "category": "x"}).accepted
    verdicts = check_rows(shop(tmp_path, rule + ", mustBe: 0"), table)
    assert [one.reason for one in verdicts] == ["category: odd (cannot be evaluated)"]


ENDLESS = "(SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range % 7 = capacity) > 0"


def test_a_rule_on_rows_that_never_ends_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aigc_core.contracts.sql.QUERY_SECONDS", 0.2)
    contract = shop(tmp_path, "id: slow, type: sql, mustBe: 0, query: 'SELECT count(*) FROM items WHERE capacity = 1'")
    (rule,) = [one for one in contract.row_rules if isinstance(one, SqlRule)]
    endless = replace(rule, by_row=f"{rule.by_row} AND {ENDLESS}")
    with pytest.raises(ContractInvalid, match=r"Rule slow takes more than 0.2 s"):
        split(replace(contract, row_rules=(endless,)), {"item_id": "1", "capacity": 1})


def test_a_rule_on_the_set_that_never_ends_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aigc_core.contracts.sql.QUERY_SECONDS", 0.2)
    many = "SELECT sum(a.rows * b.range) FROM {object} a, range(a.rows) c(n), range(1000000) b(range)"
    contract = items(
        tmp_path, "name: rows, logicalType: integer", quality=(f"id: slow, type: sql, query: '{many}', mustBe: 0",)
    )
    with pytest.raises(ContractInvalid, match=r"Rule slow takes more than 0.2 s"):
        run_gates(contract, {"rows": 1_000_000})


def test_quarantine_is_for_rules_on_rows_and_a_warning_only_counts(tmp_path: Path) -> None:
    assert len(split(shop(tmp_path, BOTTLE + ", severity: quarantine")).refused) == 2
    door = Door(shop(tmp_path, BOTTLE + ", severity: warn"))
    assert next(door.split([raw(*ROWS)])).refused == ()
    (result,) = [one for one in door.results() if one.rule_id == "bottles"]
    assert (result.level, result.rows, result.broken, result.passed) == ("warn", 4, 2, False)


def test_the_level_may_be_said_outright(tmp_path: Path) -> None:
    level = BOTTLE + ", customProperties: [{property: level, value: %s}]"
    assert len(shop(tmp_path, level % "row").row_rules) == 2
    assert [type(rule) for rule in shop(tmp_path, level % "dataset").set_rules] == [SqlRule]


@pytest.mark.parametrize(
    ("quality", "said"),
    [
        (BOTTLE + ", customProperties: [{property: level, value: page}]", "level 'page' is unknown. Levels are: row"),
        (
            "type: sql, query: 'SELECT sum(capacity) FROM {object}', mustBe: 0, "
            "customProperties: [{property: level, value: row}]",
            "line 14, schema.0.quality.0: the query does not judge single rows",
        ),
        (
            BOTTLE.replace("mustBe: 0", "mustBe: 1") + ", severity: quarantine",
            "quarantine is for rules that judge single",
        ),
        (BOTTLE.replace("capacity <= 0", "kapacity <= 0"), "line 14, schema.0.quality.0.query: Binder Error"),
    ],
)
def test_what_cannot_judge_rows_is_refused_with_its_line(tmp_path: Path, quality: str, said: str) -> None:
    with pytest.raises(ContractInvalid) as caught:
        read_contract(contract_file(tmp_path, contract_text(ID, KIND, SIZE, quality=(quality,))))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM items",
        "SELECT count(capacity) FROM items WHERE capacity > 1",
        "SELECT count(NULL) FROM items WHERE capacity > 1",
        "SELECT count(DISTINCT 1) FROM items WHERE capacity > 1",
        "SELECT count(*) FILTER (category = 'x') FROM items WHERE capacity > 1",
        "SELECT count(*) FROM items WHERE capacity > 1 GROUP BY category",
        "SELECT count(*) FROM items WHERE capacity > 1 HAVING count(*) > 5",
        "SELECT count(*) FROM items WHERE capacity > 1 LIMIT 1",
        "SELECT count(*) FROM items WHERE capacity > (SELECT avg(capacity) FROM items)",
        "SELECT count(*) FROM items, items AS other WHERE items.capacity > 1",
        "SELECT count(*) FROM (SELECT * FROM items) WHERE capacity > 1",
        "WITH items AS (SELECT 1 AS capacity) SELECT count(*) FROM items WHERE capacity > 1",
        "SELECT count(*) FROM items WHERE capacity > 1 UNION SELECT 0",
        "SELECT count(*) + 1 FROM items WHERE capacity > 1",
        "not SQL at all",
    ],
)
def test_other_queries_judge_the_set(query: str) -> None:
    assert row_query(query, "items") is None


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM items WHERE capacity > 1",
        'select COUNT(1) from "items" as i where i.capacity > 1;',
        "SELECT count(*) AS n FROM items -- WHERE nothing\nWHERE capacity > 1",
    ],
)
def test_the_form_is_read_from_the_parse_not_from_the_text(query: str) -> None:
    found = row_query(query, "items")
    assert found is not None
    assert found.columns == ("capacity",)


def test_typed_rows_are_checked_by_the_same_rule(tmp_path: Path) -> None:
    contract = shop(tmp_path, BOTTLE)
    accepted = split(items(tmp_path, ID, KIND, SIZE)).accepted
    assert [verdict.row for verdict in check_rows(contract, accepted)] == [0, 3]


def test_a_run_is_gated_by_the_count_itself(tmp_path: Path) -> None:
    rule = "id: g, type: sql, query: 'SELECT count(*) FROM {object} WHERE share > 0.05', mustBe: 0"
    contract = items(tmp_path, "name: share, logicalType: number", quality=(rule,))
    assert [(gate.value, gate.passed) for gate in run_gates(contract, {"share": 0.1})] == [(1.0, False)]
