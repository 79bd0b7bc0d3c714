"""Contract rules written in SQL: one number, taken by DuckDB from one table and nothing else."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.dataset as ds

from aigc_core.contracts.comparison import as_text, holds
from aigc_core.contracts.model import ObjectContract, SqlRule
from aigc_core.contracts.schema import arrow_schema
from aigc_core.records import Gate

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenQuery:
    """A rule whose query cannot be evaluated."""

    rule: SqlRule
    why: str


def first_broken_query(contract: ObjectContract) -> BrokenQuery | None:
    """The first SQL rule that fails on an empty table with the object's columns, if any."""
    from duckdb import Error

    rules = [rule for rule in contract.set_rules if isinstance(rule, SqlRule)]
    if not rules:
        return None
    with _only_table(contract.name, arrow_schema(contract.columns).empty_table()) as connection:
        for rule in rules:
            try:
                why = _why_not_one_number(connection, rule.query)
            except Error as error:
                why = " ".join(str(error).split("\n\n")[0].split())
            if why:
                return BrokenQuery(rule=rule, why=why)
    return None


def file_gates(contract: ObjectContract, path: str) -> tuple[Gate, ...]:
    """Every SQL rule of the object over one Parquet file; pages are read with checksums verified.

    Raises:
        OSError, pyarrow.ArrowException: the file cannot be opened. Damage met later makes a rule fail.
    """
    rules = [rule for rule in contract.set_rules if isinstance(rule, SqlRule)]
    if not rules:
        return ()
    scan = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    rows = ds.dataset(path, format=ds.ParquetFileFormat(default_fragment_scan_options=scan))
    with _only_table(contract.name, rows) as connection:
        return tuple(_gate(rule, _value(connection, rule.query)) for rule in rules)


def row_gates(contract: ObjectContract, row: Mapping[str, float | int | None]) -> tuple[Gate, ...]:
    """Every SQL rule of the object over a table of this one row.

    A rule that mentions a measure which is missing, null or not finite has not passed, whatever its query
    makes of it: `SELECT count(*) ... WHERE share > 0.05` would find nothing wrong with a null.
    """
    rules = [rule for rule in contract.set_rules if isinstance(rule, SqlRule)]
    names = dict.fromkeys([*(column.name for column in contract.columns), *row])
    untaken = {name for name in names if not _finite(row.get(name))}
    with _only_table(contract.name, one_row(contract, row)) as connection:
        return tuple(
            _gate(rule, None if mentioned(rule.query, untaken) else _value(connection, rule.query)) for rule in rules
        )


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
    """A connection that sees this table and can reach no file, network or Python variable."""
    import duckdb

    with duckdb.connect(":memory:", config={"python_enable_replacements": False}) as connection:
        connection.register(name, rows)
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection


def _why_not_one_number(connection: "DuckDBPyConnection", query: str) -> str:
    from duckdb import StatementType

    statements = connection.extract_statements(query)
    if len(statements) != 1 or statements[0].type != StatementType.SELECT:
        return "the query is not a single SELECT"
    width = len(connection.execute(query).description)
    return "" if width == 1 else f"the query gives {width} columns"


def _value(connection: "DuckDBPyConnection", query: str) -> float | None:
    """The number in the first row; None when there is no row or no number."""
    from duckdb import Error

    try:
        row = connection.execute(query).fetchone()
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
