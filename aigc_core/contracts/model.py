"""A data contract as the program uses it: columns, rules on rows, rules on the whole set."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Level = Literal["block", "quarantine", "warn"]
"""What a broken rule does. `quarantine` is for rules on rows only."""
ColumnType = Literal[
    "string", "integer", "number", "boolean", "date", "timestamp", "time", "object", "array", "map", "vector"
]
"""The standard's logical types. `object` and `map` are kept as the text of a JSON object, `array` and `vector` as the
text of a JSON list: what is inside them is for SQL rules to judge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One property of an object."""

    name: str
    type: ColumnType
    required: bool = False
    key: bool = False
    """Part of the primary key; always required."""
    unique: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """A rule Great Expectations evaluates."""

    rule_id: str
    level: Level
    column: str
    """The column it is about; several are joined by `, `; empty for the whole table."""
    name: str
    """Great Expectations' name, e.g. `expect_column_values_to_not_be_null`."""
    kwargs: Mapping[str, object] = field(default_factory=dict)
    reason: str = ""
    """Short and free of values from the data, e.g. `capacity_ml: below 1`."""
    words: str = ""
    """The contract's own description of the rule; empty where it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlRule:
    """A rule DuckDB evaluates: one number, compared; or, with `by_row`, a condition that no row may meet."""

    rule_id: str
    level: Level
    measure: str
    query: str
    """One SELECT of one number; the object's name is already filled in."""
    operator: str
    """One of `comparison.OPERATORS`."""
    operand: float | tuple[float, float]
    by_row: str = ""
    """The same query giving the places of the rows it counts, `ROW_PLACE`; empty for a rule on the whole set."""
    condition: str = ""
    """What a row that breaks the rule meets; filled in for rules on rows only."""
    column: str = ""
    """Columns the condition speaks of, joined by `, `; filled in for rules on rows only."""
    reason: str = ""
    """Why a row that meets the condition is refused, free of values; filled in for rules on rows only."""
    words: str = ""
    """The contract's own description of the rule; empty where it has none."""


Rule = Expectation | SqlRule
ROW_PLACE = "aigc row place"
"""Column that a table judged by SQL rules on rows has besides the contract's own: each row's place, from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectContract:
    """One object (table) of a contract."""

    name: str
    columns: tuple[Column, ...]
    row_rules: tuple[Rule, ...] = ()
    """Judge each row by itself."""
    set_rules: tuple[Rule, ...] = ()
    """Judge all rows together."""

    @property
    def key(self) -> tuple[str, ...]:
        """Names of the primary key's columns, in the order they are declared."""
        return tuple(column.name for column in self.columns if column.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """One contract file."""

    id: str
    version: str
    digest: str
    """Fingerprint of the parsed document: comments and layout leave it unchanged."""
    objects: Mapping[str, ObjectContract]
    unenforced: tuple[str, ...] = ()
    """What the file says that this program does not hold data to, each with its line."""
