"""A contract in plain words: what `aigc contract check` shows of any file that follows the standard."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aigc_core.contracts.model import Column, Contract, Expectation, Level, ObjectContract, Rule, SqlRule
from aigc_core.contracts.odcs import parse_contract
from aigc_core.contracts.rules import judges_rows, row_by_row
from aigc_core.contracts.wording import TYPES, rule_in_words, unique_in_words


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDescription:
    """One rule that data is held to."""

    rule_id: str
    level: Level
    """`block` and `quarantine` refuse a row, or stop the run when the set breaks them; `warn` reports."""
    about: str
    """The columns, joined by `, `; empty for the whole object."""
    words: str
    judges: str
    """`row`: each row by itself. `share`: each row, and few enough may break it. `set`: all rows together."""
    engine: str
    """`great_expectations`, `sql` or `schema`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnDescription:
    """One column."""

    name: str
    type: str
    """Logical type of the standard."""
    words: str
    """What a cell is, e.g. `a whole number`."""
    required: bool
    key: bool
    unique: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectDescription:
    """One object: a table."""

    name: str
    columns: tuple[ColumnDescription, ...]
    rules: tuple[RuleDescription, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractDescription:
    """One contract file."""

    id: str
    version: str
    objects: tuple[ObjectDescription, ...]
    not_enforced: tuple[str, ...]
    """Statements of the file that no data is held to, each with its line and why."""


def describe_contract(path: Path) -> ContractDescription:
    """What a contract file holds data to, and what not.

    Any file that follows the standard is described, whether or not a content line could use it.

    Raises:
        ContractInvalid: not UTF-8 YAML, not the standard, or a rule that cannot be evaluated; names the line.
    """
    return description_of(parse_contract(path))


def description_of(contract: Contract) -> ContractDescription:
    """The same of a contract already read."""
    return ContractDescription(
        id=contract.id,
        version=contract.version,
        objects=tuple(describe_object(found) for found in contract.objects.values()),
        not_enforced=contract.unenforced,
    )


def describe_object(found: ObjectContract) -> ObjectDescription:
    """One object: its columns, and its rules in the order they are held: keys, rows, the set."""
    rules = (*_key_rules(found), *map(_rule, (*found.row_rules, *found.set_rules)))
    return ObjectDescription(name=found.name, columns=tuple(map(_column, found.columns)), rules=rules)


def _column(column: Column) -> ColumnDescription:
    return ColumnDescription(
        name=column.name,
        type=column.type,
        words=TYPES[column.type],
        required=column.required,
        key=column.key,
        unique=column.unique,
    )


def _key_rules(found: ObjectContract) -> Iterator[RuleDescription]:
    spaces = [found.key] if found.key else []
    spaces += [(column.name,) for column in found.columns if column.unique and (column.name,) != found.key]
    for names in spaces:
        yield RuleDescription(
            rule_id=f"{', '.join(names)}.unique",
            level="block",
            about=", ".join(names),
            words=unique_in_words(names),
            judges="row",
            engine="schema",
        )


def _rule(rule: Rule) -> RuleDescription:
    shared = "share" if isinstance(rule, Expectation) and row_by_row(rule) else "set"
    return RuleDescription(
        rule_id=rule.rule_id,
        level=rule.level,
        about=rule.column,
        words=rule_in_words(rule),
        judges="row" if judges_rows(rule) else shared,
        engine="sql" if isinstance(rule, SqlRule) else "great_expectations",
    )
