"""What a contract's properties declare: columns, and the rules that follow from their constraints."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import cast, get_args

from open_data_contract_standard.model import DataQuality, SchemaProperty

from aigc_core.contracts.model import Column, ColumnType, Expectation, Level
from aigc_core.contracts.positions import Place
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
_OPTIONS: dict[ColumnType, tuple[str, ...]] = {
    "string": ("minLength", "maxLength", "pattern"),
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    "date": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    "boolean": (),
    "timestamp": (),
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
        ContractInvalid: no name, or a type this program does not store.
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
    """Rules that follow from `required`, `enum` and `logicalTypeOptions`; each judges one row.

    Raises:
        ContractInvalid: an option that would not be enforced, or one with an impossible value.
    """
    if column.required:
        yield row_rule(column.name, "expect_column_values_to_not_be_null", {}, "missing")
    for option, bound in (declared.logicalTypeOptions or {}).items():
        spot = place.at("logicalTypeOptions", option)
        if option not in _OPTIONS[column.type]:
            raise ContractInvalid(
                f"{spot}: {option} is not enforced for a {column.type}.",
                f"Enforced are: {', '.join(_OPTIONS[column.type]) or 'none'}.",
                "Remove it, or write the rule as a `quality` entry.",
            )
        yield _option_rule(column, option, bound, spot)
    if declared.enum:
        yield allowed(column.name, [entry.value for entry in declared.enum])


def _option_rule(column: Column, option: str, bound: object, place: Place) -> Expectation:
    name = column.name
    if option == "pattern":
        return pattern_rule(name, str(bound), place)
    if option in ("minLength", "maxLength"):
        side, words = ("min_value", "shorter than") if option == "minLength" else ("max_value", "longer than")
        return row_rule(name, "expect_column_value_lengths_to_be_between", {side: bound}, f"{words} {bound}")
    low = option in ("minimum", "exclusiveMinimum")
    kwargs: dict[str, object] = {"min_value" if low else "max_value": _bound(column, bound, place)}
    words = "below" if low else "above"
    if option.startswith("exclusive"):
        kwargs["strict_min" if low else "strict_max"] = True
        words = "not above" if low else "not below"
    return row_rule(name, "expect_column_values_to_be_between", kwargs, f"{words} {bound}")


def _bound(column: Column, bound: object, place: Place) -> object:
    if column.type != "date":
        return bound
    try:
        return date.fromisoformat(str(bound))
    except ValueError as error:
        raise ContractInvalid(f"{place}: {bound!r} is not a date.", "Dates look like 2026-01-31.") from error


def pattern_rule(column: str, pattern: str, place: Place) -> Expectation:
    """The rule that a text matches somewhere.

    Raises:
        ContractInvalid: not a regular expression.
    """
    try:
        re.compile(pattern)
    except re.error as error:
        raise ContractInvalid(f"{place}: {pattern!r} is not a regular expression: {error}.") from error
    return row_rule(column, "expect_column_values_to_match_regex", {"regex": pattern}, "does not match the pattern")


def allowed(column: str, values: Sequence[object]) -> Expectation:
    """The rule that a value is one of these."""
    return row_rule(
        column,
        "expect_column_values_to_be_in_set",
        {"value_set": list(values)},
        "not one of the allowed values",
    )


def row_rule(column: str, name: str, kwargs: Mapping[str, object], words: str) -> Expectation:
    """A blocking rule on one column, its reason in these words."""
    return Expectation(
        rule_id=f"{column}.{name}",
        level="block",
        column=column,
        name=name,
        kwargs={"column": column, **kwargs},
        reason=f"{column}: {words}",
    )
