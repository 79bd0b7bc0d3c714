"""The commonest expectations on single columns, evaluated on Arrow directly.

Each finds exactly the rows that Great Expectations finds; what it does not know (a type, an argument, a bound beyond
2**53 where floats round) it leaves to Great Expectations. Patterns are matched by RE2, in linear time.
"""

import datetime as dt
import math
from collections.abc import Callable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from aigc_core.contracts.model import Expectation

Arguments = Mapping[str, object]
Kernel = Callable[[pa.ChunkedArray, Arguments], pa.ChunkedArray | None]
_EXACT = 2**53
_BOUNDS = frozenset({"min_value", "max_value", "strict_min", "strict_max"})
_ARGUMENTS: dict[str, frozenset[str]] = {
    "expect_column_values_to_not_be_null": frozenset(),
    "expect_column_values_to_match_regex": frozenset({"regex"}),
    "expect_column_values_to_not_match_regex": frozenset({"regex"}),
    "expect_column_value_lengths_to_be_between": _BOUNDS,
    "expect_column_values_to_be_between": _BOUNDS,
    "expect_column_values_to_be_in_set": frozenset({"value_set"}),
    "expect_column_values_to_not_be_in_set": frozenset({"value_set"}),
}
_SHARED = frozenset({"column", "mostly"})


def known(rule: Expectation) -> bool:
    """Whether there is a kernel for the rule's name and arguments, and the arguments are of the right kind."""
    names = _ARGUMENTS.get(rule.name)
    if names is None or not rule.kwargs.get("column"):
        return False
    mostly = rule.kwargs.get("mostly", 1)
    sound = isinstance(mostly, int | float) and not isinstance(mostly, bool) and 0 <= mostly <= 1
    return sound and rule.kwargs.keys() <= names | _SHARED and _fitting(rule.kwargs, names)


def broken_rows(rule: Expectation, table: pa.Table) -> pa.ChunkedArray | None:
    """True for each row that breaks the rule, false for each that holds or has no value.

    None when Great Expectations must decide: no kernel, or not for this type of column.
    """
    if not known(rule):
        return None
    column = table[str(rule.kwargs["column"])]
    found = _KERNELS[rule.name](column, rule.kwargs)
    return None if found is None else pc.fill_null(found, False)  # noqa: FBT003 -- pyarrow's signature


def _fitting(arguments: Arguments, names: frozenset[str]) -> bool:
    if "regex" in names:
        return isinstance(arguments.get("regex"), str)
    if "value_set" in names:
        return bool(arguments.get("value_set")) and isinstance(arguments["value_set"], list)
    if names is not _BOUNDS:
        return True
    low, high = arguments.get("min_value"), arguments.get("max_value")
    strict = all(isinstance(arguments.get(name, False), bool) for name in ("strict_min", "strict_max"))
    one = low is not None or high is not None
    both = low is not None and high is not None
    return strict and one and (not both or (type(low) is type(high) and not _above(low, high)))


def _above(low: object, high: object) -> bool:
    comparable = isinstance(low, int | float | dt.date | dt.time) and not isinstance(low, bool)
    return not comparable or bool(low > high)  # type: ignore[operator]  # both are of one type


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _missing(column: pa.ChunkedArray, arguments: Arguments) -> pa.ChunkedArray | None:
    del arguments
    return pc.is_null(column)


def _unmatched(column: pa.ChunkedArray, arguments: Arguments) -> pa.ChunkedArray | None:
    found = _matched(column, arguments)
    return None if found is None else pc.invert(found)


def _matched(column: pa.ChunkedArray, arguments: Arguments) -> pa.ChunkedArray | None:
    if not pa.types.is_string(column.type):
        return None
    try:
        return pc.match_substring_regex(column, str(arguments["regex"]))
    except pa.ArrowException:
        return None


def _length_outside(column: pa.ChunkedArray, arguments: Arguments) -> pa.ChunkedArray | None:
    if not pa.types.is_string(column.type):
        return None
    return _outside(pc.utf8_length(column).cast(pa.int64()), arguments)


def _outside(column: pa.ChunkedArray, arguments: Arguments) -> pa.ChunkedArray | None:
    inside = None
    for name, strict, comparisons in (
        ("min_value", "strict_min", (pc.greater_equal, pc.greater)),
        ("max_value", "strict_max", (pc.less_equal, pc.less)),
    ):
        bound = arguments.get(name)
        if bound is None:
            continue
        if not _comparable(column.type, bound):
            return None
        holds = comparisons[bool(arguments.get(strict))](column, _scalar(bound, column.type))
        inside = holds if inside is None else pc.and_(inside, holds)
    return None if inside is None else pc.invert(inside)


def _comparable(kind: pa.DataType, bound: object) -> bool:
    if pa.types.is_int64(kind) or pa.types.is_float64(kind):
        return _is_number(bound) and abs(float(str(bound))) <= _EXACT
    if pa.types.is_date32(kind):
        return isinstance(bound, dt.date) and not isinstance(bound, dt.datetime)
    if pa.types.is_timestamp(kind):
        return isinstance(bound, dt.datetime) and (bound.tzinfo is not None) == (kind.tz is not None)
    return pa.types.is_time64(kind) and isinstance(bound, dt.time) and bound.tzinfo is None


def _scalar(bound: object, kind: pa.DataType) -> pa.Scalar:
    return pa.scalar(bound) if isinstance(bound, int | float) else pa.scalar(bound, kind)


def _not_among(column: pa.ChunkedArray, arguments: Arguments) -> pa.ChunkedArray | None:
    found = _among(column, arguments)
    return None if found is None else pc.and_(pc.invert(found), pc.is_valid(column))


def _among(column: pa.ChunkedArray, arguments: Arguments) -> pa.ChunkedArray | None:
    values = arguments["value_set"]
    wanted = _CELLS.get(column.type)
    if wanted is None or not isinstance(values, list) or {type(value) for value in values} - {wanted}:
        return None
    if wanted is int and any(abs(value) >= 2**63 for value in values):
        return None
    return pc.is_in(column, value_set=pa.array(values, column.type))


_CELLS: dict[pa.DataType, type] = {pa.string(): str, pa.int64(): int, pa.bool_(): bool, pa.date32(): dt.date}
_KERNELS: dict[str, Kernel] = {
    "expect_column_values_to_not_be_null": _missing,
    "expect_column_values_to_match_regex": _unmatched,
    "expect_column_values_to_not_match_regex": _matched,
    "expect_column_value_lengths_to_be_between": _length_outside,
    "expect_column_values_to_be_between": _outside,
    "expect_column_values_to_be_in_set": _not_among,
    "expect_column_values_to_not_be_in_set": _among,
}
