"""From raw values to typed columns: strict, and a cell that does not fit is a finding, never an exception."""

import datetime as dt
import json
import math
import re
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from aigc_core.contracts.model import Column, ColumnType

RawValue = object
_SHOWN_CHARACTERS = 40
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_TYPES: dict[ColumnType, pa.DataType] = {
    "string": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "time": pa.time64("us"),
    "object": pa.string(),
    "array": pa.string(),
    "map": pa.string(),
    "vector": pa.string(),
}
# Python types a whole column may consist of to be taken over without looking at each cell.
_READY: dict[ColumnType, frozenset[type]] = {
    "string": frozenset({str}),
    "integer": frozenset({int}),
    "number": frozenset({int, float}),
    "boolean": frozenset({bool}),
    "date": frozenset(),
    "timestamp": frozenset(),
    "time": frozenset(),
    "object": frozenset(),
    "array": frozenset(),
    "map": frozenset(),
    "vector": frozenset(),
}
_INT64 = 2**63
# Numerals that Arrow reads exactly as the careful parser below does, short enough never to overflow.
_NUMERALS: dict[str, str] = {"integer": "^-?[0-9]{1,18}$", "number": r"^-?[0-9]{1,15}(\.[0-9]{1,15})?$"}
_TRUTH = {"true": True, "false": False, "1": True, "0": False}


class RawRow(NamedTuple):
    """One row as its source gave it."""

    number: int
    """Where it stands: the line it begins on in text files, its place from 1 elsewhere."""
    values: dict[str, RawValue]
    """Column -> value; a column may be absent. Lists and mappings are JSON text."""
    error: str = ""
    """Why the row could not be taken apart; its values are empty then."""
    raw: str = ""
    """The source text of a row that could not be taken apart."""
    source: dict[str, RawValue] | None = None
    """The row as it came, where `values` were cleaned or mapped from it: what quarantine keeps."""
    file: str = ""
    """The file it stands in, where a source has several; `number` counts within it."""
    lines: int = 1
    """Source records folded into this row."""
    complaints: tuple[tuple[str, str], ...] = ()
    """(column, reason) of what cleaning holds against it, e.g. `("text", "text: holds the placeholder <UNK>")`."""


class CellFailure(NamedTuple):
    """One cell that does not fit its column."""

    row: int
    """Index in the rows given."""
    column: str
    reason: str
    """Without the value, e.g. `capacity_ml: not a number`."""
    detail: str
    """With the value, e.g. `capacity_ml: 'abc' is not a number`."""


class _Unfit(NamedTuple):
    words: str


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """The Arrow schema of the columns; a required or key column is not nullable."""
    return pa.schema([pa.field(column.name, _TYPES[column.type], nullable=not column.required) for column in columns])


def cast_rows(rows: Sequence[RawRow], columns: Sequence[Column]) -> tuple[pa.Table, list[CellFailure]]:
    """Typed columns and the cells that did not fit.

    Text that is empty or only spaces is null. Numbers written as text count when they are plain decimal
    numbers; whole numbers in text columns keep their exact digits; NaN and infinities fit nowhere.

    Returns:
        A table of all rows, every column nullable: null where a cell is missing or does not fit; and the
        failures in column order.
    """
    arrays, failures = [], []
    for column in columns:
        array, unfit = _cast_column([row.values.get(column.name) for row in rows], column)
        arrays.append(array)
        failures += unfit
    return pa.table(arrays, names=[column.name for column in columns]), failures


def raw_json(row: RawRow) -> str:
    """The row as JSON text that any UTF-8 file can hold."""
    if row.error:
        return row.raw.encode("utf-8", "replace").decode("utf-8")
    values = row.values if row.source is None else row.source
    text = json.dumps(values, ensure_ascii=False, default=str)
    return text if _encodes(text) else json.dumps(values, default=str)


def _cast_column(values: list[RawValue], column: Column) -> tuple[pa.Array, list[CellFailure]]:
    target = _TYPES[column.type]
    kinds = set(map(type, values)) - {type(None)}
    if kinds == {str} and column.type in _NUMERALS:
        return _cast_numerals(values, column, target)
    if kinds <= _READY[column.type] or (kinds == {int} and column.type == "string"):
        try:
            # Whole numbers among text keep their exact digits: written out, not parsed again.
            ready = pa.array(values, pa.int64()).cast(target) if kinds == {int} else pa.array(values, target)
        except (pa.ArrowException, UnicodeEncodeError, OverflowError):
            pass  # some cell is out of range or not valid Unicode: find out which
        else:
            if column.type == "string":
                return _blank_as_null(ready), []
            if column.type != "number" or pc.all(pc.is_finite(ready)).as_py() is not False:
                return ready, []
    return _cast_cells(values, column, target)


def _cast_numerals(values: list[RawValue], column: Column, target: pa.DataType) -> tuple[pa.Array, list[CellFailure]]:
    """A column of text: plain numerals all at once, whatever else stands there cell by cell."""
    try:
        text = pc.utf8_trim_whitespace(pa.array(values, pa.string()))
    except (pa.ArrowException, UnicodeEncodeError):
        return _cast_cells(values, column, target)
    plain = pc.fill_null(pc.match_substring_regex(text, _NUMERALS[column.type]), False)  # noqa: FBT003 -- pyarrow's
    ready = pc.if_else(plain, text, pa.scalar(None, pa.string())).cast(target)
    left = pc.and_(pc.invert(plain), pc.is_valid(text))
    rows = pc.indices_nonzero(left).to_pylist()
    if not rows:
        return ready, []
    cells, unfit = _cast_cells([values[row] for row in rows], column, target)
    return pc.replace_with_mask(ready, left, cells), [failure._replace(row=rows[failure.row]) for failure in unfit]


def _blank_as_null(array: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(pc.utf8_trim_whitespace(array), ""), pa.scalar(None, pa.string()), array)


def _cast_cells(values: list[RawValue], column: Column, target: pa.DataType) -> tuple[pa.Array, list[CellFailure]]:
    parse = _PARSERS[column.type]
    cells: list[object] = []
    failures: list[CellFailure] = []
    for row, value in enumerate(values):
        blank = value is None or (isinstance(value, str) and not value.strip())
        cell = None if blank else parse(value)
        if isinstance(cell, _Unfit):
            failures.append(_failure(row, column.name, value, cell.words))
            cell = None
        cells.append(cell)
    return pa.array(cells, target), failures


def shown(value: RawValue) -> str:
    """A value as a person is shown it: quoted, on one line, at most 40 characters of it."""
    text = ascii(value) if isinstance(value, str) and not _encodes(value) else repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def parsed(value: RawValue, kind: ColumnType) -> object | None:
    """A value named in a contract as a cell of such a column holds it; None for one that no cell can hold."""
    blank = value is None or (isinstance(value, str) and not value.strip())
    cell = None if blank else _PARSERS[kind](value)
    return None if isinstance(cell, _Unfit) else cell


def _failure(row: int, column: str, value: RawValue, words: str) -> CellFailure:
    return CellFailure(row, column, f"{column}: {words}", f"{column}: {shown(value)} is {words}")


def _encodes(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _text(value: RawValue) -> str | _Unfit:
    if isinstance(value, str):
        return value if _encodes(value) else _Unfit("not valid Unicode")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float_text(value)
    if isinstance(value, bytes | list | dict):
        return _Unfit("not text")
    return str(value)


def _float_text(value: float) -> str | _Unfit:
    if not math.isfinite(value):
        return _Unfit("not a finite number")
    # Files written with empty cells turn whole ids into floats: 108775.0 was 108775.
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)


def _decimal(value: RawValue) -> Decimal | None:
    """The exact value of a number or of its text; None when it is neither."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = value.strip()
        return Decimal(text) if _NUMBER.fullmatch(text) else None
    if isinstance(value, int | float | Decimal):
        try:
            return Decimal(value)
        except InvalidOperation:
            return None
    return None


def _integer(value: RawValue) -> int | _Unfit:
    exact = _decimal(value)
    if exact is None or not exact.is_finite() or exact.adjusted() > 19:
        return _Unfit("not a whole number")
    whole = int(exact)
    if whole != exact:
        return _Unfit("not a whole number")
    return whole if -_INT64 <= whole < _INT64 else _Unfit("beyond 64 bits")


def _number(value: RawValue) -> float | _Unfit:
    exact = _decimal(value)
    if exact is None:
        return _Unfit("not a number")
    number = float(exact) if exact.is_finite() else math.nan
    return number if math.isfinite(number) else _Unfit("not a finite number")


def _boolean(value: RawValue) -> bool | _Unfit:
    found = _TRUTH.get(str(value).strip().lower()) if isinstance(value, bool | int | str) else None
    return _Unfit("not true or false") if found is None else found


def _date(value: RawValue) -> dt.date | _Unfit:
    if isinstance(value, dt.datetime):
        return value.date() if value.time() == dt.time() else _Unfit("not a date")
    if isinstance(value, dt.date):
        return value
    try:
        return dt.date.fromisoformat(value.strip()) if isinstance(value, str) else _Unfit("not a date")
    except ValueError:
        return _Unfit("not a date")


def _timestamp(value: RawValue) -> dt.datetime | _Unfit:
    """A moment; one without a zone is taken as UTC."""
    try:
        moment = dt.datetime.fromisoformat(value.strip()) if isinstance(value, str) else value
    except ValueError:
        return _Unfit("not a point in time")
    if not isinstance(moment, dt.datetime):
        return _Unfit("not a point in time")
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _time(value: RawValue) -> dt.time | _Unfit:
    try:
        moment = dt.time.fromisoformat(value.strip()) if isinstance(value, str) else value
    except ValueError:
        return _Unfit("not a time of day")
    # One with a zone depends on the day.
    return moment if isinstance(moment, dt.time) and moment.tzinfo is None else _Unfit("not a time of day")


def _json(value: RawValue, kind: type, words: str) -> str | _Unfit:
    if isinstance(value, kind):
        return json.dumps(value, ensure_ascii=False, default=str)
    if not isinstance(value, str) or not _encodes(value):
        return _Unfit(words)
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError:
        return _Unfit(words)
    return value if isinstance(found, kind) else _Unfit(words)


def _object(value: RawValue) -> str | _Unfit:
    return _json(value, dict, "not a JSON object")


def _array(value: RawValue) -> str | _Unfit:
    return _json(value, list, "not a JSON list")


_PARSERS: dict[ColumnType, Callable[[RawValue], object]] = {
    "string": _text,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
    "timestamp": _timestamp,
    "time": _time,
    "object": _object,
    "array": _array,
    "map": _object,
    "vector": _array,
}
