import datetime as dt
import math
from decimal import Decimal

import pyarrow as pa
import pytest
from contract_files import raw
from hypothesis import given
from hypothesis import strategies as st

from aigc_core.contracts.model import Column, ColumnType
from aigc_core.contracts.schema import RawRow, arrow_schema, cast_rows, raw_json


def cast(kind: ColumnType, *values: object) -> tuple[list[object], list[str]]:
    table, failures = cast_rows(raw(*({"c": value} for value in values)), [Column(name="c", type=kind)])
    return table["c"].to_pylist(), [failure.detail for failure in failures]


def test_the_schema_has_one_type_a_logical_type_and_nulls_only_where_allowed() -> None:
    columns = [Column(name="id", type="string", required=True), Column(name="day", type="date")]
    assert arrow_schema(columns) == pa.schema([pa.field("id", pa.string(), nullable=False), ("day", pa.date32())])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0108775015", "0108775015"),
        (108775, "108775"),
        (12345678901234567890123, "12345678901234567890123"),
        (108775.0, "108775"),
        (1.5, "1.5"),
        (Decimal("1.50"), "1.50"),
        (True, "true"),
        (" a ", " a "),
        ("", None),
        (" \t", None),
        (None, None),
    ],
)
def test_text_columns_keep_exact_text(value: object, text: str | None) -> None:
    assert cast("string", value, 0) == ([text, "0"], [])


@pytest.mark.parametrize("value", ["750", " 750 ", "+750", "750.0", "7.5e2", 750, 750.0, Decimal("750")])
def test_whole_numbers_are_taken_from_any_exact_writing(value: object) -> None:
    assert cast("integer", value) == ([750], [])
    assert cast("number", value) == ([750.0], [])


@pytest.mark.parametrize(
    "value",
    ["abc", "1,000", "1_000", "７５０", "0x10", "750 ml", "NaN", "1.5", 1.5, True, math.nan, math.inf, [1], "1e99"],
)
def test_what_is_no_whole_number_is_a_failure_with_its_value(value: object) -> None:
    cells, failures = cast("integer", value)
    assert cells == [None]
    assert failures == [f"c: {value!r} is not a whole number"]


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("integer", 2**63, "beyond 64 bits"),
        ("number", "abc", "not a number"),
        ("number", False, "not a number"),
        ("number", "1e999", "not a finite number"),
        ("number", math.nan, "not a finite number"),
        ("number", -math.inf, "not a finite number"),
        ("string", math.inf, "not a finite number"),
        ("string", b"\x00", "not text"),
        ("string", "\ud800", "not valid Unicode"),
        ("boolean", "maybe", "not true or false"),
        ("boolean", 2, "not true or false"),
        ("date", "31.01.2026", "not a date"),
        ("date", dt.datetime(2026, 1, 31, 5, tzinfo=dt.UTC), "not a date"),
        ("date", 20260131, "not a date"),
        ("timestamp", "noon", "not a point in time"),
    ],
)
def test_a_cell_that_does_not_fit_says_why_without_stopping(kind: ColumnType, value: object, words: str) -> None:
    _, failures = cast_rows(raw({"c": None}, {"c": value}), [Column(name="c", type=kind)])
    assert [(failure.row, failure.column, failure.reason) for failure in failures] == [(1, "c", f"c: {words}")]
    assert failures[0].detail.endswith(f" is {words}")


def test_a_long_value_is_cut_in_the_detail() -> None:
    assert cast("number", "x" * 500)[1] == [f"c: '{'x' * 39}... is not a number"]


def test_other_types_are_taken_from_text_and_from_their_own() -> None:
    day = dt.date(2026, 1, 31)
    moment = dt.datetime(2026, 1, 31, 8, tzinfo=dt.UTC)
    assert cast("boolean", "TRUE", 0, "", "1") == ([True, False, None, True], [])
    assert cast("date", "2026-01-31", day, dt.datetime(2026, 1, 31), None) == ([day, day, day, None], [])  # noqa: DTZ001
    assert cast("timestamp", "2026-01-31T08:00:00", "2026-01-31T16:00:00+08:00", moment) == ([moment] * 3, [])


def test_a_good_column_beside_one_bad_cell_keeps_its_other_values() -> None:
    assert cast("number", 1, "2", None, "x", 2.5)[0] == [1.0, 2.0, None, None, 2.5]


def test_absent_columns_are_null() -> None:
    table, failures = cast_rows(raw({}, {"other": 1}), [Column(name="c", type="integer")])
    assert (table.to_pydict(), failures) == ({"c": [None, None]}, [])


def test_a_row_as_json_is_text_any_file_can_hold() -> None:
    assert raw_json(RawRow(1, {"名": "裤", "day": dt.date(2026, 1, 31)})) == '{"名": "裤", "day": "2026-01-31"}'
    assert raw_json(RawRow(1, {"a": "\ud800"})) == '{"a": "\\ud800"}'
    assert raw_json(RawRow(1, {}, "not JSON", "{oops")) == "{oops"


NUMERALS = st.sampled_from(
    ["0", "-0", "007", " 12 ", "+5", "1.50", ".5", "5.", "-3.25", "1e3", "123456789012345678", "1234567890123456789",
     "9" * 25, "0.1234567890123456", "1,000", "", " ", "x", "-", "1\n", "\u00a07", "\u0663", "NaN", "\ud800"]
) | st.from_regex(r"\A-?[0-9]{1,20}(\.[0-9]{1,20})?\Z")  # fmt: skip


@pytest.mark.parametrize("kind", ["integer", "number"])
@given(values=st.lists(st.none() | NUMERALS, max_size=8))
def test_a_column_of_numerals_is_read_as_its_cells_are(kind: ColumnType, values: list[str | None]) -> None:
    together = cast(kind, *values)
    alone = [cast(kind, value, 0) for value in values]  # beside a number the column is read cell by cell
    assert repr(together[0]) == repr([cells[0] for cells, _ in alone])
    assert together[1] == [detail for _, details in alone for detail in details]


def test_whole_numbers_in_a_text_column_are_written_out() -> None:
    assert cast("string", 7, None, -(2**63)) == (["7", None, str(-(2**63))], [])
    assert cast("string", 7, 2**70) == (["7", str(2**70)], [])
