"""What each rule of a contract found, added up batch by batch: a few numbers and examples a rule, however many rows."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from aigc_core.contracts.model import Expectation, Level, ObjectContract, Rule, SqlRule
from aigc_core.contracts.schema import shown
from aigc_core.contracts.wording import rule_in_words, type_in_words, unique_in_words
from aigc_core.records import Gate, RuleResult

EXAMPLES = 5
"""Values kept that break a rule."""


@dataclass(slots=True, kw_only=True)
class Tally:
    """One rule's counts so far."""

    rule_id: str
    level: Level
    columns: tuple[str, ...]
    words: str
    engine: str
    """`great_expectations`, `sql` or `schema`, as in `RuleResult`."""
    rows: int = 0
    present: int = 0
    """Rows the rule could say something of."""
    broken: int = 0
    tolerated: float = 0.0
    """Share of the rows with a value that may break it: 1 - `mostly`."""
    examples: list[str] = field(default_factory=list)

    def add(self, table: pa.Table, broken: Sequence[int], *, present: int | None = None) -> None:
        """Count one batch: the rows of the table, those that break the rule, and how many it could judge."""
        self.rows += table.num_rows
        self.present += table.num_rows if present is None else present
        self.broken += len(broken)
        for row in broken[: EXAMPLES - len(self.examples)]:
            self.show([table[name][row].as_py() for name in self.columns if name in table.column_names])

    def show(self, values: Sequence[object]) -> None:
        """Keep an example: the values of the rule's columns; one that is only missing says nothing."""
        if len(self.examples) < EXAMPLES and any(value is not None for value in values):
            text = shown(values[0]) if len(values) == 1 else self._several(values)
            if text not in self.examples:
                self.examples.append(text)

    def _several(self, values: Sequence[object]) -> str:
        pairs = zip(self.columns, values, strict=False)
        return ", ".join(f"{name} {'missing' if value is None else shown(value)}" for name, value in pairs)

    @property
    def share(self) -> float:
        """Share of the rows with a value that break the rule."""
        return self.broken / self.present if self.present else 0.0

    @property
    def passed(self) -> bool:
        """Whether few enough rows break it; rounding of `mostly` never counts against it."""
        return self.share <= self.tolerated + 1e-12

    def result(self) -> RuleResult:
        """As a record."""
        return RuleResult(
            rule_id=self.rule_id,
            level=self.level,
            about=", ".join(self.columns),
            words=self.words,
            engine=self.engine,
            rows=self.rows,
            broken=self.broken,
            passed=self.passed,
            examples=tuple(self.examples),
        )

    def gate(self, measure: str) -> Gate:
        """As a gate on the set: its value is the share that breaks the rule."""
        return Gate(
            gate_id=self.rule_id,
            level="warn" if self.level == "warn" else "block",
            measure=measure,
            value=self.share,
            rule=f"share <= {self.tolerated:g}",
            passed=self.passed,
        )


def rule_tally(rule: Rule) -> Tally:
    """An empty tally of a rule."""
    mostly = rule.kwargs.get("mostly", 1) if isinstance(rule, Expectation) else 1
    about = rule.column if isinstance(rule, Expectation) or rule.by_row else ""
    return Tally(
        rule_id=rule.rule_id,
        level=rule.level,
        columns=tuple(about.split(", ")) if about else (),
        words=rule_in_words(rule),
        engine="sql" if isinstance(rule, SqlRule) else "great_expectations",
        tolerated=round(1 - float(str(mostly)), 12),
    )


class SchemaTallies:
    """What the types, the key and the unique columns found."""

    def __init__(self, contract: ObjectContract, spaces: Iterable[tuple[str, ...]]) -> None:
        self._types = {
            column.name: Tally(
                rule_id=f"{column.name}.type",
                level="block",
                columns=(column.name,),
                words=type_in_words(column),
                engine="schema",
            )
            for column in contract.columns
        }
        self._unique = {
            names: Tally(
                rule_id=f"{', '.join(names)}.unique",
                level="block",
                columns=names,
                words=unique_in_words(names),
                engine="schema",
            )
            for names in spaces
        }

    def judged(self, rows: int) -> None:
        """Count rows that every type was held against."""
        for tally in self._types.values():
            tally.rows += rows
            tally.present += rows

    def compared(self, rows: int) -> None:
        """Count rows whose key and unique values were looked up."""
        for tally in self._unique.values():
            tally.rows += rows
            tally.present += rows

    def unfit(self, column: str, value: object) -> None:
        """Count a cell that does not fit its column."""
        self._types[column].broken += 1
        self._types[column].show([value])

    def reused(self, names: tuple[str, ...], values: Sequence[object]) -> None:
        """Count a row that reuses a key or a unique value."""
        self._unique[names].broken += 1
        self._unique[names].show(values)

    def results(self) -> Iterator[RuleResult]:
        """As records, types first."""
        for tally in (*self._types.values(), *self._unique.values()):
            yield tally.result()


def gate_result(rule: Rule, gate: Gate, rows: int) -> RuleResult:
    """A rule on the whole set, judged over so many rows."""
    empty = rule_tally(rule)
    seen = () if gate.value is None else (f"{gate.value:g}",)
    return RuleResult(
        rule_id=rule.rule_id,
        level=rule.level,
        about=", ".join(empty.columns),
        words=empty.words,
        engine=empty.engine,
        rows=rows,
        broken=0 if gate.passed else 1,
        passed=gate.passed,
        examples=() if gate.passed else seen,
    )
