"""What a contract's properties declare: columns, and the rules that follow from their constraints."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import cast, get_args

import pyarrow as pa
import pyarrow.compute as pc
from open_data_contract_standard.model import DataQuality, SchemaProperty

from aigc_core.contracts.model import Column, ColumnType, Expectation, Level
from aigc_core.contracts.positions import Place
from aigc_core.contracts.schema import parsed
from aigc_core.errors import ContractInvalid

_LEVELS: dict[str, Level] = {
    "block": "block",
    "error": "block",
    "critical": "block",
    "quarantine": "quarantine",
    "warn": "warn",
    "warning": "warn",
    "info": "warn",
}


def judged_by_row(rule: DataQuality) -> bool:
    """A library metric that must be 0 is broken by single rows; any other bound is about the set."""
    return (rule.type or "library") == "library" and rule.mustBe == 0 and rule.mustBe is not False


def level_of(severity: object, place: Place) -> Level:
    """What a broken rule does; without a severity it blocks.

    Raises:
        ContractInvalid: an unknown severity.
    """
    level = _LEVELS.get(str(severity or "block").lower())
    if level is None:
        raise ContractInvalid(
            f"{place.at('severity')}: severity {severity!r} is unknown.",
            f"Severities are: {', '.join(_LEVELS)}.",
        )
    return level


def makes_unique(rule: DataQuality, place: Place) -> bool:
    """Whether the rule refuses every row that repeats a value of its column."""
    return judged_by_row(rule) and rule.metric == "duplicateValues" and level_of(rule.severity, place) != "warn"


def column_of(declared: SchemaProperty, place: Place) -> Column:
    """The column a property declares.

    Raises:
        ContractInvalid: no type, or one this program does not store.
    """
    types = get_args(ColumnType)
    if declared.logicalType not in types:
        raise ContractInvalid(
            f"{place.at('logicalType')}: column {declared.name!r} is of type {declared.logicalType!r}.",
            f"Types are: {', '.join(types)}.",
        )
    unique = any(makes_unique(rule, place.at("quality", i)) for i, rule in enumerate(declared.quality or []))
    return Column(
        name=str(declared.name),
        type=cast(ColumnType, declared.logicalType),
        required=bool(declared.required or declared.primaryKey),
        key=bool(declared.primaryKey),
        unique=bool(declared.unique) or unique,
    )


def constraints(declared: SchemaProperty, column: Column, place: Place) -> Iterator[Expectation]:
    """Rules that follow from `required` and `enum`; each judges one row.

    Raises:
        ContractInvalid: an allowed value that no cell of the column can hold.
    """
    if column.required:
        yield row_rule(column.name, "expect_column_values_to_not_be_null", {}, "missing", option="required")
    if declared.enum:
        rule = allowed(column, [entry.value for entry in declared.enum], place.at("enum"))
        yield replace(rule, rule_id=f"{column.name}.enum")


def pattern_rule(column: str, pattern: str, place: Place) -> Expectation:
    """The rule that a text matches somewhere.

    Raises:
        ContractInvalid: not a regular expression, or one whose matching time nothing bounds.
    """
    try:
        re.compile(pattern)
    except re.error as error:
        raise ContractInvalid(f"{place}: {pattern!r} is not a regular expression: {error}.") from error
    try:
        pc.match_substring_regex(pa.array([""]), pattern)
    except pa.ArrowException as error:
        raise ContractInvalid(
            f"{place}: {pattern!r} cannot be matched in linear time: {' '.join(str(error).split())}.",
            "Patterns are RE2's: no look-ahead, look-behind or back-references.",
            "Say it as an `sql` rule, e.g. with two patterns.",
        ) from error
    name = "expect_column_values_to_match_regex"
    return row_rule(column, name, {"regex": pattern}, "does not match the pattern", option="pattern")


def require_pattern(column: Column, place: Place) -> None:
    """Refuse a pattern for a column that is not text.

    Raises:
        ContractInvalid: as said.
    """
    if column.type != "string":
        raise ContractInvalid(
            f"{place}: a pattern is for text, and column {column.name!r} is of type {column.type!r}.",
            remedy="Give a range instead, or declare the column a string.",
        )


def allowed(column: Column, values: Sequence[object], place: Place) -> Expectation:
    """The rule that a value is one of these.

    Raises:
        ContractInvalid: one that no cell of the column can hold.
    """
    cells = [parsed(value, column.type) for value in values]
    for i, cell in enumerate(cells):
        if cell is None:
            raise ContractInvalid(
                f"{place.at(i)}: {values[i]!r} is no value of column {column.name!r}.",
                f"The column is of type {column.type}.",
            )
    words = "not one of the allowed values"
    return row_rule(column.name, "expect_column_values_to_be_in_set", {"value_set": cells}, words)


def row_rule(column: str, name: str, kwargs: Mapping[str, object], words: str, *, option: str = "") -> Expectation:
    """A blocking rule on one column, its reason in these words.

    Args:
        column: the column.
        name: Great Expectations' name of the rule.
        kwargs: its arguments besides the column.
        words: what is wrong with a row that breaks it.
        option: the standard's name of the constraint, for the rule's id.
    """
    return Expectation(
        rule_id=f"{column}.{option or name}",
        level="block",
        column=column,
        name=name,
        kwargs={"column": column, **kwargs},
        reason=f"{column}: {words}",
    )
