"""From the `quality` entries of a contract to rules that Great Expectations and DuckDB evaluate."""

from collections.abc import Mapping, Sequence

import yaml
from open_data_contract_standard.model import DataQuality

from aigc_core.contracts.comparison import OPERATORS, Operand
from aigc_core.contracts.constraints import allowed, judged_by_row, level_of, makes_unique, pattern_rule, row_rule
from aigc_core.contracts.model import Expectation, Level, SqlRule
from aigc_core.contracts.positions import Place, load_yaml
from aigc_core.errors import ContractInvalid

Rule = Expectation | SqlRule
_ROW_PREFIXES = (
    "expect_column_values_",
    "expect_column_value_lengths_",
    "expect_column_pair_values_",
    "expect_multicolumn_",
    "expect_select_column_values_",
)
# These look at a whole column at once, whatever their name says.
_WHOLE_COLUMN = (
    "_to_be_unique",
    "_to_be_of_type",
    "_to_be_in_type_list",
    "_to_be_increasing",
    "_to_be_decreasing",
)


def quality_rule(rule: DataQuality, column: str, place: Place) -> list[Rule]:
    """Rules of one `quality` entry; none for `text`, which is written for people.

    Args:
        rule: the entry.
        column: the property it stands under; empty for the object itself.
        place: where it stands.

    Raises:
        ContractInvalid: the entry cannot be evaluated here.
    """
    match rule.type or "library":
        case "text":
            return []
        case "sql":
            return [_sql_rule(rule, column, _with_names(str(rule.query), column), place)]
        case "custom":
            return [_custom_rule(rule, column, place)]
        case _:
            return _library_rule(rule, column, place)


def judges_rows(rule: Rule) -> bool:
    """Whether a rule judges each row by itself, so that a row can be refused for it."""
    if isinstance(rule, SqlRule) or rule.kwargs.get("mostly", 1) != 1:
        return False
    return rule.name.startswith(_ROW_PREFIXES) and not rule.name.endswith(_WHOLE_COLUMN)


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _library_rule(rule: DataQuality, column: str, place: Place) -> list[Rule]:
    arguments: Mapping[str, object] = rule.arguments or {}
    if rule.metric == "rowCount":
        return [_sql_rule(rule, "", "SELECT count(*) FROM {object}", place)]
    if rule.metric == "duplicateValues":
        if column and makes_unique(rule, place):
            return []  # column_of has made the column unique
        return [_sql_rule(rule, column, _duplicates(rule, column, place), place)]
    if not column:
        raise ContractInvalid(
            f"{place}: {rule.metric} belongs under a property.",
            "An object takes rowCount, duplicateValues, sql and custom rules.",
        )
    compiled = {"nullValues": _nulls, "missingValues": _missing, "invalidValues": _invalid}[str(rule.metric)]
    rows, condition = compiled(column, arguments, place)
    if judged_by_row(rule):
        level = level_of(rule.severity, place)
        return [
            Expectation(
                rule_id=_rule_id(rule, column, place),
                level=level,
                column=column,
                name=row.name,
                kwargs=row.kwargs,
                reason=row.reason,
            )
            for row in rows
        ]
    count = f"count(*) FILTER (WHERE {condition})"
    return [_sql_rule(rule, column, _select(rule, count), place)]


def _nulls(column: str, arguments: Mapping[str, object], place: Place) -> tuple[list[Expectation], str]:
    _only(arguments, (), place)
    return [row_rule(column, "expect_column_values_to_not_be_null", {}, "missing")], f"{quoted(column)} IS NULL"


def _missing(column: str, arguments: Mapping[str, object], place: Place) -> tuple[list[Expectation], str]:
    _only(arguments, ("missingValues",), place)
    values = [value for value in _listed(arguments, "missingValues", place) if value is not None]
    rules, condition = _nulls(column, {}, place)
    if not values:
        return rules, condition
    rules.append(row_rule(column, "expect_column_values_to_not_be_in_set", {"value_set": values}, "missing"))
    return rules, f"{condition} OR {quoted(column)} IN ({_literals(values)})"


def _invalid(column: str, arguments: Mapping[str, object], place: Place) -> tuple[list[Expectation], str]:
    _only(arguments, ("validValues", "pattern"), place)
    rules, broken = [], []
    if "validValues" in arguments:
        values = _listed(arguments, "validValues", place)
        rules.append(allowed(column, values))
        broken.append(f"{quoted(column)} NOT IN ({_literals(values)})")
    if "pattern" in arguments:
        rules.append(pattern_rule(column, str(arguments["pattern"]), place.at("arguments", "pattern")))
        broken.append(f"NOT regexp_matches({quoted(column)}, {_literals([str(arguments['pattern'])])})")
    if not rules:
        raise ContractInvalid(
            f"{place}: invalidValues does not say what is valid.",
            "Give `arguments` with `validValues` or `pattern`.",
        )
    return rules, f"{quoted(column)} IS NOT NULL AND ({' OR '.join(broken)})"


def _duplicates(rule: DataQuality, column: str, place: Place) -> str:
    names = [column] if column else [str(name) for name in _listed(rule.arguments or {}, "properties", place)]
    key = f"({', '.join(map(quoted, names))})"
    present = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in names)
    count = f"(count(*) FILTER (WHERE {present}) - count(DISTINCT {key}) FILTER (WHERE {present}))"
    return _select(rule, count)


def _select(rule: DataQuality, count: str) -> str:
    return " ".join(("SELECT", _in_unit(rule, count), "FROM {object}"))


def _in_unit(rule: DataQuality, count: str) -> str:
    return f"100.0 * {count} / nullif(count(*), 0)" if rule.unit in ("percent", "%") else count


def _only(arguments: Mapping[str, object], known: Sequence[str], place: Place) -> None:
    for name in arguments:
        if name not in known:
            raise ContractInvalid(
                f"{place.at('arguments', name)}: {name} is not known here.",
                f"Known arguments are: {', '.join(known) or 'none'}.",
            )


def _listed(arguments: Mapping[str, object], name: str, place: Place) -> list[object]:
    values = arguments.get(name)
    if not isinstance(values, list) or not values:
        raise ContractInvalid(f"{place}: the rule needs `arguments.{name}`, a list with at least one value.")
    return values


def _literals(values: Sequence[object]) -> str:
    return ", ".join(
        str(value) if isinstance(value, int | float) else "'" + str(value).replace("'", "''") + "'" for value in values
    )


def _with_names(query: str, column: str) -> str:
    for mark in ("${property}", "{property}", "${column}"):
        query = query.replace(mark, quoted(column) if column else mark)
    return query.replace("${object}", "{object}").replace("${table}", "{object}")


def _sql_rule(rule: DataQuality, column: str, query: str, place: Place) -> SqlRule:
    operator, operand = _comparison(rule, place)
    return SqlRule(
        rule_id=_rule_id(rule, column, place),
        level=_set_level(rule.severity, place),
        measure=_measure(rule, column),
        query=query,
        operator=operator,
        operand=operand,
    )


def _measure(rule: DataQuality, column: str) -> str:
    counted = f"{rule.metric} of {column}" if column else rule.metric
    return (rule.name if rule.id else None) or (counted if rule.metric else None) or rule.description or ""


def _comparison(rule: DataQuality, place: Place) -> tuple[str, Operand]:
    for operator in OPERATORS:
        bound = getattr(rule, operator)
        if bound is None:
            continue
        if isinstance(bound, list):
            low, high = map(float, bound)
            return operator, (low, high)
        if isinstance(bound, int | float):
            return operator, float(bound)
        raise ContractInvalid(f"{place.at(operator)}: {bound!r} is not a number.")
    raise ContractInvalid(f"{place}: the rule compares with nothing.", f"Comparisons are: {', '.join(OPERATORS)}.")


def _custom_rule(rule: DataQuality, column: str, place: Place) -> Expectation:
    if (rule.engine or "").lower().replace("-", "").replace("_", "") != "greatexpectations":
        raise ContractInvalid(
            f"{place.at('engine')}: engine {rule.engine!r} is not here.",
            "The engine for custom rules is greatExpectations.",
        )
    stated = rule.implementation
    body = _implementation(stated, place) if isinstance(stated, str) else stated
    name = body.get("type") or body.get("expectation_type") if isinstance(body, Mapping) else None
    if not isinstance(body, Mapping) or not isinstance(name, str):
        raise ContractInvalid(
            f"{place.at('implementation')}: the implementation names no expectation.",
            "It needs `type`, e.g. expect_column_values_to_be_between, and `kwargs`.",
        )
    kwargs = {**({"column": column} if column else {}), **(body.get("kwargs") or {})}
    severity = rule.severity or (body.get("meta") or {}).get("severity") or kwargs.pop("severity", None)
    about = ", ".join(columns_named(kwargs))
    words = rule.description or rule.name or f"fails {name}"
    compiled = Expectation(
        rule_id=_rule_id(rule, column, place),
        level=level_of(severity, place),
        column=about,
        name=name,
        kwargs=kwargs,
        reason=f"{about}: {words}" if about else words,
    )
    if not judges_rows(compiled):
        _set_level(severity, place)
    return compiled


def _implementation(text: str, place: Place) -> object:
    try:
        return load_yaml(text)
    except yaml.YAMLError as error:
        raise ContractInvalid(f"{place.at('implementation')}: {' '.join(str(error).split())}.") from error


def columns_named(kwargs: Mapping[str, object]) -> list[str]:
    """The columns an expectation's arguments name, in order."""
    named = [str(kwargs[key]) for key in ("column", "column_A", "column_B") if kwargs.get(key)]
    several = kwargs.get("column_list")
    return named + ([str(name) for name in several] if isinstance(several, list) else [])


def _rule_id(rule: DataQuality, column: str, place: Place) -> str:
    kind = rule.metric or rule.type
    return rule.id or rule.name or f"{column or 'object'}-{kind}-{place.steps[-1]}"


def _set_level(severity: object, place: Place) -> Level:
    level = level_of(severity, place)
    if level == "quarantine":
        raise ContractInvalid(
            f"{place.at('severity')}: quarantine is for rules that judge single rows.",
            "A rule on the whole set takes block or warn.",
        )
    return level
