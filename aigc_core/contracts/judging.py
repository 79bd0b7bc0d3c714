"""Rules on rows and on whole files, whichever engine evaluates them."""

from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from aigc_core.contracts.expectations import Suite, Verdict, columns_of
from aigc_core.contracts.model import Expectation, ObjectContract, Rule, SqlRule
from aigc_core.contracts.rules import row_by_row
from aigc_core.contracts.sql import RowQueries, file_gates
from aigc_core.contracts.tally import Tally, rule_tally
from aigc_core.records import Gate


class BrokenRule(NamedTuple):
    """One row that breaks one rule."""

    row: int
    """Index in the table."""
    rule: Rule
    evaluated: bool = True
    """Whether the rule said so; False where it could not be evaluated on this row, such as text cast to a number."""

    @property
    def reason(self) -> str:
        """Stable and without values."""
        return self.rule.reason if self.evaluated else f"{self.rule.reason} (cannot be evaluated)"


class RowRules:
    """Rules that judge rows, made ready once and counted over all tables."""

    def __init__(self, contract: ObjectContract, rules: Sequence[Rule]) -> None:
        """Compile the rules.

        Raises:
            ContractInvalid: a Great Expectations rule that cannot be made.
        """
        self._rules = tuple(rules)
        self._suite = Suite([rule for rule in rules if isinstance(rule, Expectation)])
        self._queries = RowQueries(contract, [rule for rule in rules if isinstance(rule, SqlRule)])
        self._tallies = [rule_tally(rule) for rule in rules]

    @property
    def tallies(self) -> tuple[tuple[Rule, Tally], ...]:
        """Each rule with its counts so far."""
        return tuple(zip(self._rules, self._tallies, strict=True))

    def judge(self, table: pa.Table, unreadable: Sequence[int] = ()) -> list[BrokenRule]:
        """Every (row, rule) that does not hold, in the order of the rules, then of the rows.

        Args:
            table: typed rows.
            unreadable: rows that could not be taken apart: nothing is held against them here.

        Raises:
            ContractInvalid: a rule cannot be evaluated on these columns.
        """
        if not self._rules or not table.num_rows:
            return []
        readable = list(range(table.num_rows)) if unreadable else []
        if unreadable:
            gone = set(unreadable)
            readable = [row for row in readable if row not in gone]
            table = table.take(pa.array(readable, pa.int64()))
        expected = iter(self._suite.outcomes(table))
        queried = iter(self._queries.failures(table))
        found: list[BrokenRule] = []
        for rule, tally in self.tallies:
            present, untold = None, frozenset[int]()
            if isinstance(rule, SqlRule):
                rows, untold = next(queried)
            else:
                _, rows, present = next(expected)
            tally.add(table, rows, present=present)
            found += [BrokenRule(readable[row] if unreadable else row, rule, row not in untold) for row in rows]
        return found


def judge_file(contract: ObjectContract, path: str) -> list[tuple[Rule, Gate]]:
    """Every rule on the whole set over one Parquet file, but for the expectations that look at each row.

    Raises:
        ContractInvalid: a rule that cannot be evaluated.
        OSError, pyarrow.ArrowException: the file cannot be read.
    """
    queries = [rule for rule in contract.set_rules if isinstance(rule, SqlRule)]
    found: list[tuple[Rule, Gate]] = list(zip(queries, file_gates(contract, path), strict=True))
    for rule in contract.set_rules:
        if isinstance(rule, Expectation) and not row_by_row(rule):
            # A rule on the table alone, such as a row count, names no column: any one shows the rows.
            wanted = columns_of([rule]) or [contract.columns[0].name]
            table = pq.read_table(path, columns=wanted, page_checksum_verification=True)
            found += [(rule, _gate(verdict)) for verdict in Suite([rule]).verdicts(table)]
    return found


def _gate(verdict: Verdict) -> Gate:
    rule = verdict.rule
    mostly = float(str(rule.kwargs.get("mostly", 1)))
    return Gate(
        gate_id=rule.rule_id,
        level="warn" if rule.level == "warn" else "block",
        measure=rule.reason,
        value=verdict.value,
        rule=f"share <= {1 - mostly:g}" if verdict.judges_shares else rule.name,
        passed=verdict.passed,
    )
