"""From the `quality` entries of a contract to rules that Great Expectations and DuckDB evaluate."""

import re
from collections.abc import Mapping

import yaml
from open_data_contract_standard.model import DataQuality

from aigc_core.contracts.constraints import level_of
from aigc_core.contracts.library import METRICS, library_rule
from aigc_core.contracts.model import Expectation, Rule, SqlRule
from aigc_core.contracts.positions import Place, load_yaml
from aigc_core.contracts.sql_rules import Subject, rule_id, set_level, written_rule
from aigc_core.errors import ContractInvalid

ROW_PREFIXES = (
    "expect_column_values_",
    "expect_column_value_lengths_",
    "expect_column_pair_values_",
    "expect_multicolumn_",
    "expect_select_column_values_",
)
"""How the names of expectations begin that look at each row."""
# These look at a whole column at once, whatever their name says.
_WHOLE_COLUMN = (
    "_to_be_unique",
    "_to_be_of_type",
    "_to_be_in_type_list",
    "_to_be_increasing",
    "_to_be_decreasing",
)


def quality_rule(rule: DataQuality, subject: Subject, place: Place) -> list[Rule]:
    """Rules of one `quality` entry; none for one that is written for people.

    Args:
        rule: the entry.
        subject: what it stands under.
        place: where it stands.

    Raises:
        ContractInvalid: the entry cannot be evaluated here.
    """
    if for_people(rule):
        return []
    match rule.type or "library":
        case "sql":
            return [written_rule(rule, subject, place)]
        case "custom":
            return [_custom_rule(rule, subject, place)]
        case _:
            if rule.metric not in METRICS:
                raise ContractInvalid(f"{place}: the rule names no metric.", f"Metrics are: {', '.join(METRICS)}.")
            return library_rule(rule, subject, place)


def for_people(rule: DataQuality) -> bool:
    """Whether the entry is text to read: said so, or with nothing in it that could be evaluated."""
    said = (rule.metric, rule.rule, rule.query, rule.engine, rule.implementation)
    return rule.type == "text" or (rule.type is None and not any(said))


def judges_rows(rule: Rule) -> bool:
    """Whether a rule judges each row by itself, so that a row can be refused for it."""
    if isinstance(rule, SqlRule):
        return bool(rule.by_row)
    return row_by_row(rule) and rule.kwargs.get("mostly", 1) == 1


def row_by_row(rule: Expectation) -> bool:
    """Whether an expectation looks at each row, be it to refuse it or to count it for `mostly`."""
    return rule.name.startswith(ROW_PREFIXES) and not rule.name.endswith(_WHOLE_COLUMN)


def columns_named(kwargs: Mapping[str, object]) -> list[str]:
    """The columns an expectation's arguments name, in order."""
    named = [str(kwargs[key]) for key in ("column", "column_A", "column_B") if kwargs.get(key)]
    several = kwargs.get("column_list")
    return named + ([str(name) for name in several] if isinstance(several, list) else [])


def _custom_rule(rule: DataQuality, subject: Subject, place: Place) -> Expectation:
    if (rule.engine or "").lower().replace("-", "").replace("_", "") != "greatexpectations":
        raise ContractInvalid(
            f"{place.at('engine')}: engine {rule.engine!r} is not here.",
            "The engine for custom rules is greatExpectations.",
        )
    body, name = _implementation(rule, place)
    stated = {_argument(key): value for key, value in (body.get("kwargs") or {}).items()}
    kwargs = {**({"column": subject.about} if subject.column else {}), **stated}
    severity = rule.severity or (body.get("meta") or {}).get("severity") or kwargs.pop("severity", None)
    about = ", ".join(columns_named(kwargs))
    words = rule.description or rule.name or f"fails {name}"
    compiled = Expectation(
        rule_id=rule_id(rule, subject, place),
        level=level_of(severity, place),
        column=about,
        name=name,
        kwargs=kwargs,
        reason=f"{about}: {words}" if about else words,
        words=rule.description or "",
    )
    if not judges_rows(compiled):
        set_level(severity, place)
    return compiled


def _argument(name: str) -> str:
    """Great Expectations' spelling of an argument: the standard's own examples write `minValue` for `min_value`."""
    return name if "_" in name else re.sub("([A-Z])", lambda capital: f"_{capital[0].lower()}", name)


def _implementation(rule: DataQuality, place: Place) -> tuple[Mapping[str, dict[str, object]], str]:
    stated = rule.implementation
    spot = place.at("implementation")
    try:
        body = load_yaml(stated) if isinstance(stated, str) else stated
    except yaml.YAMLError as error:
        raise ContractInvalid(f"{spot}: {' '.join(str(error).split())}.") from error
    name = body.get("type") or body.get("expectation_type") if isinstance(body, Mapping) else None
    parts = [body.get(part) for part in ("kwargs", "meta")] if isinstance(body, Mapping) else []
    if not isinstance(body, Mapping) or not isinstance(name, str):
        raise ContractInvalid(
            f"{spot}: the implementation names no expectation.",
            "It needs `type`, e.g. expect_column_values_to_be_between, and `kwargs`.",
        )
    if any(part is not None and not isinstance(part, Mapping) for part in parts):
        raise ContractInvalid(f"{spot}: `kwargs` and `meta` are mappings.")
    return body, name
