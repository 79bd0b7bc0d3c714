"""Rules written in SQL, by a person or by this program: one number compared, for each row or for the set."""

from collections.abc import Sequence
from dataclasses import dataclass

from open_data_contract_standard.model import DataQuality

from aigc_core.contracts.comparison import OPERATORS, Operand
from aigc_core.contracts.constraints import level_of
from aigc_core.contracts.model import Column, Level, SqlRule
from aigc_core.contracts.positions import Place
from aigc_core.contracts.row_queries import by_rows, row_query
from aigc_core.contracts.sql import mentioned
from aigc_core.errors import ContractInvalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a rule is about."""

    name: str
    """The object."""
    columns: tuple[Column, ...]
    column: Column | None = None
    """The property the rule stands under; None for the object itself."""

    @property
    def names(self) -> tuple[str, ...]:
        """The object's columns."""
        return tuple(column.name for column in self.columns)

    @property
    def about(self) -> str:
        """The property's name; empty for the object itself."""
        return self.column.name if self.column else ""


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literals(values: Sequence[object]) -> str:
    """Values as an SQL list; numbers bare, all else as text that DuckDB casts to the column's type."""
    return ", ".join(
        str(value)
        if isinstance(value, int | float) and not isinstance(value, bool)
        else "'" + str(value).replace("'", "''") + "'"
        for value in values
    )


def rule_id(rule: DataQuality, subject: Subject, place: Place) -> str:
    """The entry's id, else its name, else one made of where it stands."""
    return rule.id or rule.name or f"{subject.about or 'object'}-{rule.metric or rule.type}-{place.steps[-1]}"


def set_level(severity: object, place: Place) -> Level:
    """The level of a rule on the whole set.

    Raises:
        ContractInvalid: an unknown severity, or quarantine, which is for rows.
    """
    level = level_of(severity, place)
    if level == "quarantine":
        raise ContractInvalid(
            f"{place.at('severity')}: quarantine is for rules that judge single rows.",
            "A rule on the whole set takes block or warn.",
        )
    return level


def written_rule(rule: DataQuality, subject: Subject, place: Place) -> SqlRule:
    """The rule of an `sql` entry: it judges rows when it counts those that meet a condition and must find none.

    A custom property `level` says so explicitly: `row` or `dataset`.

    Raises:
        ContractInvalid: nothing to compare with, or a level that does not fit the query.
    """
    query = _with_names(str(rule.query), subject)
    asked = _asked_level(rule, place)
    operator, operand = _comparison(rule, place)
    found = None if asked == "dataset" or (operator, operand) != ("mustBe", 0.0) else row_query(query, subject.name)
    if asked == "row" and found is None:
        raise ContractInvalid(
            f"{place}: the query does not judge single rows.",
            "A rule on rows reads SELECT count(*) FROM {object} WHERE <condition> with mustBe: 0, "
            "and names {object} once.",
        )
    if found is None:
        return computed_rule(rule, subject, query, place)
    plain = _sql_rule(rule, subject, query, level=level_of(rule.severity, place), place=place)
    return by_rows(plain, found, names=subject.names, said=rule.description or rule.name or "")


def computed_rule(rule: DataQuality, subject: Subject, query: str, place: Place) -> SqlRule:
    """A rule on the whole set with this query.

    Raises:
        ContractInvalid: nothing to compare with, or the level quarantine.
    """
    level = set_level(rule.severity, place)
    return _sql_rule(rule, subject, query.replace("{object}", quoted(subject.name)), level=level, place=place)


def condition_rule(subject: Subject, option: str, said: tuple[str, str, str]) -> SqlRule:
    """The rule that no row meets a condition, for a constraint that SQL says best.

    Args:
        subject: the column.
        option: the constraint's name in the standard.
        said: the condition in SQL, true for a row that breaks the constraint; what is wrong with such a row; the
            constraint in words that follow the column's name.
    """
    condition, fault, words = said
    query = f"SELECT count(*) FROM {quoted(subject.name)} WHERE {condition}"  # noqa: S608 -- made of quoted names
    plain = SqlRule(
        rule_id=f"{subject.about}.{option}",
        level="block",
        measure=subject.about,
        query=query,
        operator="mustBe",
        operand=0.0,
        words=f"{subject.about} {words}",
    )
    found = row_query(query, subject.name)
    return plain if found is None else by_rows(plain, found, names=subject.names, said=fault)


def _sql_rule(rule: DataQuality, subject: Subject, query: str, *, level: Level, place: Place) -> SqlRule:
    operator, operand = _comparison(rule, place)
    identity = rule_id(rule, subject, place)
    measure = _measure(rule, subject) or ", ".join(mentioned(query, subject.names)) or identity
    return SqlRule(
        rule_id=identity,
        level=level,
        measure=measure,
        query=query,
        operator=operator,
        operand=operand,
        words=rule.description or "",
    )


def _measure(rule: DataQuality, subject: Subject) -> str:
    counted = f"{rule.metric} of {subject.about}" if subject.about else rule.metric
    return (rule.name if rule.id else None) or (counted if rule.metric else None) or rule.description or ""


def _comparison(rule: DataQuality, place: Place) -> tuple[str, Operand]:
    for operator in OPERATORS:
        bound = getattr(rule, operator)
        if bound is None:
            continue
        if isinstance(bound, list):
            low, high = map(float, bound)
            return operator, (low, high)
        if isinstance(bound, int | float) and not isinstance(bound, bool):
            return operator, float(bound)
        raise ContractInvalid(f"{place.at(operator)}: {bound!r} is not a number.")
    raise ContractInvalid(f"{place}: the rule compares with nothing.", f"Comparisons are: {', '.join(OPERATORS)}.")


def _asked_level(rule: DataQuality, place: Place) -> str:
    for i, entry in enumerate(rule.customProperties or []):
        if entry.property == "level":
            if entry.value in ("row", "dataset"):
                return str(entry.value)
            raise ContractInvalid(
                f"{place.at('customProperties', i)}: level {entry.value!r} is unknown.", "Levels are: row, dataset."
            )
    return ""


def _with_names(query: str, subject: Subject) -> str:
    for mark in ("${property}", "{property}", "${column}", "{column}"):
        query = query.replace(mark, quoted(subject.about) if subject.about else mark)
    for mark in ("${object}", "${table}", "{object}", "{table}"):
        query = query.replace(mark, quoted(subject.name))
    return query
