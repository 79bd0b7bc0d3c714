"""The standard's library of metrics, as rules: each metric on rows where none may break it, else on the set."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from open_data_contract_standard.model import DataQuality

from aigc_core.contracts.comparison import as_text
from aigc_core.contracts.constraints import (
    allowed,
    judged_by_row,
    level_of,
    makes_unique,
    pattern_rule,
    require_pattern,
    row_rule,
)
from aigc_core.contracts.model import Column, Expectation, Rule, SqlRule
from aigc_core.contracts.positions import Place
from aigc_core.contracts.schema import parsed
from aigc_core.contracts.sql_rules import Subject, computed_rule, literals, quoted, rule_id
from aigc_core.errors import ContractInvalid

_SHARES = ("percent", "%")
_COUNTS = ("rows", "row", "count")
METRICS = ("nullValues", "missingValues", "invalidValues", "duplicateValues", "rowCount")
Arguments = Mapping[str, object]


def library_rule(rule: DataQuality, subject: Subject, place: Place) -> list[Rule]:
    """The rules of one library metric.

    `nullValues`, `missingValues` and `invalidValues` with `mustBe: 0` refuse the rows that break them, and
    `duplicateValues` of one column the rows that repeat a value; any other bound is on the number of such rows, or
    with `unit: percent` on their share of all rows, 0 to 100.

    Raises:
        ContractInvalid: a metric, an argument or a unit that means nothing here.
    """
    _require_unit(rule, place)
    arguments: Arguments = rule.arguments or {}
    if rule.metric == "rowCount":
        _only(arguments, (), place)
        count = "SELECT count(*) FROM {object}"
        return [computed_rule(rule, replace(subject, column=None), count, place)]
    if rule.metric == "duplicateValues":
        if subject.column and makes_unique(rule, place):
            return []  # column_of has made the column unique
        return [_counting(rule, subject, _duplicates(rule, subject, place), place)]
    if subject.column is None:
        raise ContractInvalid(
            f"{place}: {rule.metric} belongs under a property.",
            "An object takes rowCount, duplicateValues, sql and custom rules.",
        )
    rows, condition = _COMPILED[str(rule.metric)](subject.column, arguments, place)
    if judged_by_row(rule):
        identity, level = rule_id(rule, subject, place), level_of(rule.severity, place)
        return [replace(row, rule_id=identity, level=level, words=rule.description or "") for row in rows]
    return [_counting(rule, subject, f"count(*) FILTER (WHERE {condition})", place)]


def _counting(rule: DataQuality, subject: Subject, count: str, place: Place) -> SqlRule:
    """The rule that compares a count of rows, or its share of all rows where the entry's unit says so."""
    made = computed_rule(rule, subject, _select(rule, count), place)
    if made.words or rule.unit not in _SHARES:
        return made
    return replace(made, words=f"{made.measure} {as_text(made.operator, made.operand)} percent of all rows")


def _nulls(column: Column, arguments: Arguments, place: Place) -> tuple[list[Expectation], str]:
    _only(arguments, (), place)
    rule = row_rule(column.name, "expect_column_values_to_not_be_null", {}, "missing")
    return [rule], f"{quoted(column.name)} IS NULL"


def _missing(column: Column, arguments: Arguments, place: Place) -> tuple[list[Expectation], str]:
    _only(arguments, ("missingValues",), place)
    rules, condition = _nulls(column, {}, place)
    # What no cell of this type can hold, such as 'n/a' among numbers or empty text, is never there to be found.
    stated = [parsed(value, column.type) for value in _listed(arguments, "missingValues", place)]
    values = [value for value in stated if value is not None]
    if not values:
        return rules, condition
    rules.append(row_rule(column.name, "expect_column_values_to_not_be_in_set", {"value_set": values}, "missing"))
    return rules, f"{condition} OR {quoted(column.name)} IN ({literals(values)})"


def _invalid(column: Column, arguments: Arguments, place: Place) -> tuple[list[Expectation], str]:
    _only(arguments, ("validValues", "pattern"), place)
    rules, broken = [], []
    if "validValues" in arguments:
        # Null and empty text are no values here: they are never invalid, and may be missing.
        stated = [value for value in _listed(arguments, "validValues", place) if value is not None and value != ""]
        if not stated:
            raise ContractInvalid(f"{place.at('arguments', 'validValues')}: no value is named.")
        rules.append(allowed(column, stated, place.at("arguments", "validValues")))
        broken.append(f"{quoted(column.name)} NOT IN ({literals(_value_set(rules[0]))})")
    if "pattern" in arguments:
        spot = place.at("arguments", "pattern")
        require_pattern(column, spot)
        rules.append(pattern_rule(column.name, str(arguments["pattern"]), spot))
        broken.append(f"NOT regexp_matches({quoted(column.name)}, {literals([str(arguments['pattern'])])})")
    if not rules:
        raise ContractInvalid(
            f"{place}: invalidValues does not say what is valid.",
            "Give `arguments` with `validValues` or `pattern`.",
        )
    return rules, f"{quoted(column.name)} IS NOT NULL AND ({' OR '.join(broken)})"


_COMPILED = {"nullValues": _nulls, "missingValues": _missing, "invalidValues": _invalid}


def _value_set(rule: Expectation) -> list[object]:
    values = rule.kwargs["value_set"]
    return values if isinstance(values, list) else []


def _duplicates(rule: DataQuality, subject: Subject, place: Place) -> str:
    arguments: Arguments = rule.arguments or {}
    _only(arguments, () if subject.column else ("properties",), place)
    names = [subject.about] if subject.column else [str(name) for name in _listed(arguments, "properties", place)]
    for name in names:
        if name not in subject.names:
            raise ContractInvalid(
                f"{place.at('arguments', 'properties')}: there is no column {name!r}.",
                f"Columns are: {', '.join(subject.names)}.",
            )
    key = f"({', '.join(map(quoted, names))})"
    present = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in names)
    return f"(count(*) FILTER (WHERE {present}) - count(DISTINCT {key}) FILTER (WHERE {present}))"


def _select(rule: DataQuality, count: str) -> str:
    return " ".join(("SELECT", _in_unit(rule, count), "FROM {object}"))


def _in_unit(rule: DataQuality, count: str) -> str:
    return f"100.0 * {count} / nullif(count(*), 0)" if rule.unit in _SHARES else count


def _require_unit(rule: DataQuality, place: Place) -> None:
    known = (*_COUNTS, *_SHARES) if rule.metric != "rowCount" else _COUNTS
    if rule.unit is not None and rule.unit not in known:
        raise ContractInvalid(
            f"{place.at('unit')}: {rule.metric} is not counted in {rule.unit!r}.", f"Units are: {', '.join(known)}."
        )


def _only(arguments: Arguments, known: Sequence[str], place: Place) -> None:
    for name in arguments:
        if name not in known:
            raise ContractInvalid(
                f"{place.at('arguments', name)}: {name} is not known here.",
                f"Known arguments are: {', '.join(known) or 'none'}.",
            )


def _listed(arguments: Arguments, name: str, place: Place) -> list[object]:
    values = arguments.get(name)
    if not isinstance(values, list) or not values:
        raise ContractInvalid(f"{place}: the rule needs `arguments.{name}`, a list with at least one value.")
    return values
