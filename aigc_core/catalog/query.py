"""SQL over what was published and how it came about: read-only, locked down, bounded."""

import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from aigc_core.errors import QueryRefused

if TYPE_CHECKING:
    import duckdb

Source = Any
"""An Arrow dataset or table; Arrow ships no types."""
_LOCKED = (
    "SET enable_external_access = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET allow_community_extensions = false",
    "SET python_enable_replacements = false",
    "SET lock_configuration = true",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one query may take."""

    rows: int = 10_000
    """Rows returned at most; one more is read to tell that there are more."""
    seconds: float = 60.0
    memory: str = "2GB"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query returned."""

    rows: pa.Table
    truncated: bool
    """Whether there were more rows than the limit."""


def run_query(sql: str, sources: Mapping[str, Source], limits: Limits | None = None) -> Answer:
    """Run one SELECT over the named sources.

    Raises:
        QueryRefused: more than one statement, anything but a SELECT, an error in it, or over the time limit.
    """
    import duckdb

    bounds = limits or Limits()
    with tempfile.TemporaryDirectory(prefix="aigc-query-") as spill, duckdb.connect() as connection:
        connection.execute("SET memory_limit = ?", [bounds.memory])
        connection.execute("SET temp_directory = ?", [spill])
        connection.execute("SET threads = 2")
        for name, source in sources.items():
            connection.register(name, source)
        for setting in _LOCKED:
            connection.execute(setting)
        try:
            _require_one_select(connection.extract_statements(sql))
            return _bounded(connection, sql, bounds)
        except duckdb.InterruptException as error:
            raise QueryRefused(f"The query took more than {bounds.seconds:g} s and was stopped.") from error
        except duckdb.Error as error:
            names = ", ".join(sorted(sources)) or "none yet: run a night first"
            raise QueryRefused(f"The query failed: {_first_lines(error)}", f"Tables are: {names}.") from error


def _bounded(connection: "duckdb.DuckDBPyConnection", sql: str, bounds: Limits) -> Answer:
    timer = threading.Timer(bounds.seconds, connection.interrupt)
    timer.start()
    try:
        relation = connection.sql(sql)
        if relation is None:
            raise QueryRefused("The statement returns no rows.", "One SELECT is accepted.")
        rows = relation.limit(bounds.rows + 1).to_arrow_table()
    finally:
        timer.cancel()
    return Answer(rows.slice(0, bounds.rows), truncated=rows.num_rows > bounds.rows)


def _require_one_select(statements: "list[duckdb.Statement]") -> None:
    import duckdb

    kinds = [statement.type for statement in statements]
    if kinds != [duckdb.StatementType.SELECT]:
        came = ", ".join(kind.name for kind in kinds) or "nothing"
        raise QueryRefused(f"Came: {came}.", "Exactly one SELECT is accepted; the shelf is read-only.")


def _first_lines(error: Exception) -> str:
    return " ".join(str(error).split("\n\nLINE")[0].split())[:500]
