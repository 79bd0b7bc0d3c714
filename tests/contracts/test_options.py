import json
from pathlib import Path

import pytest
from contract_files import items, raw

from aigc_core.contracts.check import Door


def refused(folder: Path, declared: str, *values: object) -> list[tuple[object, str]]:
    """(value, reason) of what a column so declared lets not in."""
    contract = items(folder, f"name: c, {declared}")
    rows = raw(*({"c": value} for value in values))
    found = next(Door(contract).split([rows])).refused
    return [(values[one.number - 1], one.reason) for one in found]


@pytest.mark.parametrize(
    ("declared", "good", "bad", "reason"),
    [
        ("logicalType: integer, logicalTypeOptions: {multipleOf: 5}", [0, -10, None], 7, "c: not a multiple of 5"),
        (
            "logicalType: number, logicalTypeOptions: {multipleOf: 0.1}",
            [0.3, 1e6, -0.7],
            0.35,
            "c: not a multiple of 0.1",
        ),
        ("logicalType: integer, logicalTypeOptions: {format: i8}", [127, -128], 128, "c: does not fit i8"),
        ("logicalType: integer, logicalTypeOptions: {format: u16}", [0, 65535], -1, "c: does not fit u16"),
        (
            "logicalType: date, logicalTypeOptions: {maximum: '2026-01-31'}",
            ["2026-01-31"],
            "2026-02-01",
            "c: above 2026-01-31",
        ),
        (
            "logicalType: timestamp, logicalTypeOptions: {minimum: '2026-01-01T00:00:00Z'}",
            ["2026-01-01T01:00:00+01:00"],
            "2025-12-31T23:59:59Z",
            "c: below 2026-01-01T00:00:00Z",
        ),
        (
            "logicalType: time, logicalTypeOptions: {exclusiveMinimum: '08:00'}",
            ["08:01"],
            "08:00",
            "c: not above 08:00",
        ),
        (
            "logicalType: string, logicalTypeOptions: {format: email}",
            ["a.b@shop.example"],
            "a@b",
            "c: not a valid email",
        ),
        ("logicalType: string, logicalTypeOptions: {format: uri}", ["https://x.y/z"], "x.y/z", "c: not a valid uri"),
        (
            "logicalType: string, logicalTypeOptions: {format: hostname}",
            ["a-1.example"],
            "-a.b",
            "c: not a valid hostname",
        ),
        ("logicalType: string, logicalTypeOptions: {format: ipv4}", ["127.0.0.1"], "256.1.1.1", "c: not a valid ipv4"),
        (
            "logicalType: string, logicalTypeOptions: {format: ipv6}",
            ["::1", "fe80::1"],
            "1.2.3.4",
            "c: not a valid ipv6",
        ),
        (
            "logicalType: string, logicalTypeOptions: {format: uuid}",
            ["123e4567-e89b-12d3-a456-426614174000"],
            "123e4567",
            "c: not a valid uuid",
        ),
        ("logicalType: array, logicalTypeOptions: {minItems: 1}", ["[1]", [2]], "[]", "c: fewer than 1 items"),
        ("logicalType: array, logicalTypeOptions: {maxItems: 1}", ["[1]", None], "[1, 2]", "c: more than 1 items"),
        (
            "logicalType: array, logicalTypeOptions: {uniqueItems: true}",
            ['["a", "b"]'],
            '["a", "a"]',
            "c: holds an item twice",
        ),
        ("logicalType: vector, logicalTypeOptions: {dimensions: 2}", ["[1, 2]"], "[1]", "c: not 2 numbers"),
        (
            "logicalType: object, logicalTypeOptions: {required: [a, b]}",
            ['{"a": 1, "b": 2}'],
            '{"a": 1}',
            "c: lacks one of a, b",
        ),
        ("logicalType: object, logicalTypeOptions: {minProperties: 1}", [{"a": 1}], "{}", "c: fewer than 1 keys"),
        (
            "logicalType: object, logicalTypeOptions: {maxProperties: 1}",
            ["{}"],
            '{"a": 1, "b": 1}',
            "c: more than 1 keys",
        ),
    ],
)
def test_each_option_refuses_its_own_fault(
    tmp_path: Path, declared: str, good: list[object], bad: object, reason: str
) -> None:
    assert refused(tmp_path, declared, *good, bad) == [(bad, reason)]


@pytest.mark.parametrize(
    ("kind", "good", "bad", "words"),
    [
        ("time", "23:59:59", "25:00", "not a time of day"),
        ("time", "08:30", "08:30+01:00", "not a time of day"),
        ("object", '{"a": [1]}', "[1]", "not a JSON object"),
        ("map", {"a": 1}, '"a"', "not a JSON object"),
        ("array", "[1, 2]", "1, 2", "not a JSON list"),
    ],
)
def test_a_cell_that_does_not_fit_its_type_is_refused(
    tmp_path: Path, kind: str, good: object, bad: object, words: str
) -> None:
    of_map = ", map: {key: {logicalType: string}, value: {logicalType: string}}" if kind == "map" else ""
    assert refused(tmp_path, f"logicalType: {kind}{of_map}", good, bad) == [(bad, f"c: {words}")]


def test_nested_values_are_kept_as_the_json_text_that_came(tmp_path: Path) -> None:
    contract = items(tmp_path, "name: c, logicalType: array")
    found = next(Door(contract).split([raw({"c": "[1,  2]"}, {"c": ["é"]})])).accepted["c"].to_pylist()
    assert found == ["[1,  2]", json.dumps(["é"], ensure_ascii=False)]


def test_a_missing_value_that_no_cell_can_hold_asks_nothing(tmp_path: Path) -> None:
    rule = "quality: [{metric: missingValues, arguments: {missingValues: [n/a, -1, '', null]}, mustBe: 0}]"
    assert refused(tmp_path, f"logicalType: integer, {rule}", 3, -1, None) == [(-1, "c: missing"), (None, "c: missing")]


def test_allowed_values_are_compared_as_cells_of_the_column(tmp_path: Path) -> None:
    assert refused(tmp_path, "logicalType: integer, enum: [{value: '1'}, {value: 2.0}]", "1", 2, 3) == [
        (3, "c: not one of the allowed values")
    ]
