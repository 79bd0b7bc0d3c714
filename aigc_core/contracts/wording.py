"""Rules as a person reads them: one line of plain English each."""

from collections.abc import Mapping, Sequence

from aigc_core.contracts.comparison import as_text
from aigc_core.contracts.model import Column, Expectation, Rule, SqlRule

_MOST_VALUES = 6
TYPES: Mapping[str, str] = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "date": "a date",
    "timestamp": "a point in time",
    "time": "a time of day",
    "object": "a JSON object",
    "array": "a JSON list",
    "map": "a JSON object",
    "vector": "a JSON list",
}
"""Logical type -> what a cell of it is."""


def rule_in_words(rule: Rule) -> str:
    """The contract's own description, else the rule spelt out, e.g. `capacity_ml is at least 1`."""
    if rule.words:
        return rule.words
    if isinstance(rule, SqlRule):
        if rule.by_row:
            return f"no row where {rule.condition}"
        return f"{rule.measure} {as_text(rule.operator, rule.operand)}"
    return _expectation(rule)


def type_in_words(column: Column) -> str:
    """What every value of a column is."""
    return f"{column.name} is {TYPES[column.type]}"


def unique_in_words(names: Sequence[str]) -> str:
    """What a key or a unique column promises."""
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'together are'} unique"


def _expectation(rule: Expectation) -> str:
    kwargs, about = rule.kwargs, rule.column
    share = kwargs.get("mostly", 1)
    mostly = "" if share == 1 else f" in at least {float(str(share)):.6g} of all rows"
    said = _said(rule.name, kwargs)
    if said:
        return f"{about} {said}{mostly}"
    others = {name: value for name, value in kwargs.items() if name not in ("column", "mostly") and value is not None}
    name = rule.name.removeprefix("expect_").replace("_", " ")
    arguments = ", ".join(f"{key} {_value(value)}" for key, value in others.items() if not key.startswith("column"))
    return f"{about + ': ' if about else ''}{name}{' (' + arguments + ')' if arguments else ''}{mostly}"


def _said(name: str, kwargs: Mapping[str, object]) -> str:
    match name:
        case "expect_column_values_to_not_be_null":
            return "is present"
        case "expect_column_values_to_match_regex":
            return f"matches {kwargs.get('regex')}"
        case "expect_column_values_to_not_match_regex":
            return f"does not match {kwargs.get('regex')}"
        case "expect_column_values_to_be_in_set":
            return f"is one of {_value(kwargs.get('value_set'))}"
        case "expect_column_values_to_not_be_in_set":
            return f"is none of {_value(kwargs.get('value_set'))}"
        case "expect_column_values_to_be_between":
            return f"is {_range(kwargs)}"
        case "expect_column_value_lengths_to_be_between":
            most = kwargs.get("max_value", kwargs.get("min_value"))
            return f"has {_range(kwargs)} character{'' if most == 1 else 's'}"
        case _:
            return ""


def _range(kwargs: Mapping[str, object]) -> str:
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    parts = []
    if low is not None:
        parts.append(f"{'above' if kwargs.get('strict_min') else 'at least'} {_value(low)}")
    if high is not None:
        parts.append(f"{'below' if kwargs.get('strict_max') else 'at most'} {_value(high)}")
    return " and ".join(parts)


def _value(value: object) -> str:
    if isinstance(value, list):
        shown = [str(one) for one in value[:_MOST_VALUES]]
        more = len(value) - _MOST_VALUES
        return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
    return str(value)
