"""Contract rules written in SQL: one number, taken by DuckDB from one table and nothing else."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from threading import Timer
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.dataset as ds

from aigc_core.contracts.comparison import as_text, holds
from aigc_core.contracts.model import ROW_PLACE, ObjectContract, SqlRule
from aigc_core.contracts.row_queries import careful
from aigc_core.contracts.schema import arrow_schema
from aigc_core.errors import ContractInvalid
from aigc_core.records import Gate

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


TRIAL_SECONDS = 10
"""The most a query may take on a table without rows; one that takes longer does not look at the rows at all."""
QUERY_SECONDS = 60
"""The most a rule may take on one batch of rows, or on one file: such a query would hold a night up for hours."""
MEMORY = "256MB"
"""The most DuckDB holds for rules over a file; sorting and grouping beyond it go to a private folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenQuery:
    """A rule whose query cannot be evaluated."""

    rule: SqlRule
    why: str


class RowsFound(NamedTuple):
    """Rows that break one rule."""

    rows: list[int]
    """In order."""
    untold: frozenset[int] = frozenset()
    """Those of them on which the condition cannot be evaluated."""


class RowQueries:
    """SQL rules on rows, on one connection that stays open: one table after the other is judged."""

    def __init__(self, contract: ObjectContract, rules: Sequence[SqlRule]) -> None:
        self._name, self._rules = contract.name, tuple(rules)
        self._names = [column.name for column in contract.columns]
        self._connection: DuckDBPyConnection | None = None

    def failures(self, table: pa.Table) -> list[RowsFound]:
        """For each rule the rows that break it.

        A row on which a condition cannot be evaluated, such as text cast to a number, has not passed it.

        Raises:
            ContractInvalid: a condition that cannot be evaluated on any row of the table, or takes too long.
        """
        if not self._rules or not table.num_rows:
            return [RowsFound([]) for _ in self._rules]
        connection = self._open()
        rows = table.select(self._names).append_column(ROW_PLACE, pa.array(range(table.num_rows), pa.int64()))
        connection.register(self._name, rows)
        try:
            return [_places(connection, rule) for rule in self._rules]
        finally:
            connection.unregister(self._name)

    def _open(self) -> "DuckDBPyConnection":
        if self._connection is None:
            self._connection = _sandbox()
        return self._connection


def _places(connection: "DuckDBPyConnection", rule: SqlRule) -> RowsFound:
    from duckdb import Error

    def places(query: str) -> list[int]:
        with _bounded(connection, rule):
            return sorted(connection.execute(query).fetchnumpy()[ROW_PLACE].tolist())

    with suppress(Error):
        return RowsFound(places(rule.by_row))
    try:
        untold = places(careful(rule, "IS NULL"))
        return RowsFound(sorted([*places(careful(rule, "= 1")), *untold]), frozenset(untold))
    except Error as error:
        why = " ".join(str(error).split("\n\n")[0].split())
    raise ContractInvalid(f"Rule {rule.rule_id} cannot be evaluated: {why}.", "A condition must fit its columns.")


def first_broken_query(contract: ObjectContract) -> BrokenQuery | None:
    """The first SQL rule that fails on an empty table with the object's columns, if any."""
    from duckdb import Error, InterruptException

    rules = sql_rules(contract)
    if not rules:
        return None
    with _only_table(contract.name, arrow_schema(contract.columns).empty_table()) as connection:
        for rule in rules:
            try:
                with _interrupted(connection, TRIAL_SECONDS):
                    why = _why_not_one_number(connection, rule.query)
            except InterruptException:
                why = f"the query takes more than {TRIAL_SECONDS} s on an empty table"
            except Error as error:
                why = " ".join(str(error).split("\n\n")[0].split())
            if why:
                return BrokenQuery(rule=rule, why=why)
    return None


def file_gates(contract: ObjectContract, path: str) -> tuple[Gate, ...]:
    """Every SQL rule of the object over one Parquet file; pages are read with checksums verified.

    Raises:
        OSError, pyarrow.ArrowException: the file cannot be opened. Damage met later makes a rule fail.
        ContractInvalid: a rule takes too long.
    """
    rules = [rule for rule in contract.set_rules if isinstance(rule, SqlRule)]
    if not rules:
        return ()
    scan = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    rows = ds.dataset(path, format=ds.ParquetFileFormat(default_fragment_scan_options=scan))
    with _only_table(contract.name, rows) as connection:
        return tuple(_gate(rule, _value(connection, rule)) for rule in rules)


def row_gates(contract: ObjectContract, row: Mapping[str, float | int | None]) -> tuple[Gate, ...]:
    """Every SQL rule of the object over a table of this one row.

    A rule that mentions a measure which is missing, null or not finite has not passed, whatever its query
    makes of it: `SELECT count(*) ... WHERE share > 0.05` would find nothing wrong with a null.

    Raises:
        ContractInvalid: a rule takes too long.
    """
    rules = sql_rules(contract)
    names = dict.fromkeys([*(column.name for column in contract.columns), *row])
    untaken = {name for name in names if not _finite(row.get(name))}
    with _only_table(contract.name, one_row(contract, row)) as connection:
        return tuple(
            _gate(rule, None if mentioned(rule.query, untaken) else _value(connection, rule)) for rule in rules
        )


def sql_rules(contract: ObjectContract) -> list[SqlRule]:
    """Every rule DuckDB evaluates, those on the set first."""
    return [rule for rule in (*contract.set_rules, *contract.row_rules) if isinstance(rule, SqlRule)]


def one_row(contract: ObjectContract, row: Mapping[str, float | int | None]) -> pa.Table:
    """The measures as a table of one row; a declared one that is absent or not finite is null."""
    declared = {
        column.name: field.type for column, field in zip(contract.columns, arrow_schema(contract.columns), strict=True)
    }
    columns = {name: pa.nulls(1, kind) for name, kind in declared.items()}
    for name, value in row.items():
        if _finite(value):
            columns[name] = pa.array([value], pa.float64() if isinstance(value, float) else pa.int64())
        else:
            columns.setdefault(name, pa.nulls(1, pa.float64()))
    return pa.table(columns)


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def mentioned(query: str, names: Iterable[str]) -> list[str]:
    """Those of the names that the query speaks of, quoted or as a word."""
    said = {word.lower() for word in re.findall(r"\w+", query)}
    return [name for name in names if name.lower() in said or f'"{name}"' in query]


@contextmanager
def _only_table(name: str, rows: pa.Table | ds.Dataset) -> Iterator["DuckDBPyConnection"]:
    """A connection that sees this table and can reach no file, network or Python variable.

    What does not fit in `MEMORY` is put aside in a private folder, which is gone afterwards.
    """
    with TemporaryDirectory(prefix="aigc-rules-") as spill, _sandbox(spill) as connection:
        connection.register(name, rows)
        yield connection


def _sandbox(spill: str = "") -> "DuckDBPyConnection":
    import duckdb

    connection = duckdb.connect(":memory:", config={"python_enable_replacements": False})
    connection.execute("SET threads = 1")
    connection.execute("SET memory_limit = ?", [MEMORY])
    connection.execute("SET temp_directory = ?", [spill])
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


@contextmanager
def _interrupted(connection: "DuckDBPyConnection", seconds: float) -> Iterator[None]:
    timer = Timer(seconds, connection.interrupt)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def _bounded(connection: "DuckDBPyConnection", rule: SqlRule) -> Iterator[None]:
    """Ends the rule's query after `QUERY_SECONDS`.

    Raises:
        ContractInvalid: it took longer.
    """
    from duckdb import InterruptException

    try:
        with _interrupted(connection, QUERY_SECONDS):
            yield
    except InterruptException as error:
        raise ContractInvalid(
            f"Rule {rule.rule_id} takes more than {QUERY_SECONDS} s on one batch or file.",
            "A rule looks at each row once, or compares sums over them.",
            "Rewrite its query so that it does not join the rows with one another, or remove the rule.",
        ) from error


def _why_not_one_number(connection: "DuckDBPyConnection", query: str) -> str:
    from duckdb import StatementType

    statements = connection.extract_statements(query)
    if len(statements) != 1 or statements[0].type != StatementType.SELECT:
        return "the query is not a single SELECT"
    width = len(connection.execute(query).description)
    return "" if width == 1 else f"the query gives {width} columns"


def _value(connection: "DuckDBPyConnection", rule: SqlRule) -> float | None:
    """The number in the first row; None when there is no row or no number."""
    from duckdb import Error

    try:
        with _bounded(connection, rule):
            row = connection.execute(rule.query).fetchone()
        return None if row is None or row[0] is None else float(row[0])
    except (Error, ValueError, TypeError):
        return None


def _gate(rule: SqlRule, value: float | None) -> Gate:
    return Gate(
        gate_id=rule.rule_id,
        level="warn" if rule.level == "warn" else "block",
        measure=rule.measure,
        value=value if _finite(value) else None,
        rule=as_text(rule.operator, rule.operand),
        passed=holds(value, rule.operator, rule.operand),
    )
