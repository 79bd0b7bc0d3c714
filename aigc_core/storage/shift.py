"""What a new version of a table changes, by key: rows that come, change, go. Joined on disk, never in memory."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from aigc_core.records import Shift
from aigc_core.storage.delta import Table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_MEMORY = "512MB"


def shift_of(table: Table, fresh: Path, *, key: Sequence[str], content: Sequence[str]) -> Shift:
    """How the rows of a file differ from those of the table's current version.

    Args:
        table: the version before; may not exist yet.
        fresh: Parquet file with the new rows.
        key: columns that identify a row.
        content: columns compared; those the table does not have yet count as changed only where they are not null.
    """
    import duckdb

    with duckdb.connect() as connection:
        _bound(connection, fresh.parent)
        if not table.exists():
            came = connection.sql("SELECT count(*) FROM read_parquet(?)", params=[str(fresh)]).fetchall()[0][0]
            return Shift(came=int(came))
        there = set(table.dataset().schema.names)
        columns = [name for name in (*key, *content) if name in there]
        connection.register("before", table.dataset().scanner(columns=columns).to_reader())
        lacking = "".join(f", NULL AS {name}" for name in content if name not in there)
        query = _COUNTS.format(
            old=f"SELECT *{lacking} FROM before",  # noqa: S608 -- our own columns
            on=" AND ".join(f"old.{name} = fresh.{name}" for name in key),
            differs=" OR ".join(f"old.{name} IS DISTINCT FROM fresh.{name}" for name in content) or "false",
            key=key[0],
        )
        before, came, went, changed = connection.sql(query, params=[str(fresh)]).fetchall()[0]
    return Shift(before=int(before), came=int(came), went=int(went), changed=int(changed))


def gone_from(shelf: Table, catalogue: Path, held: pa.Table, scratch: Path) -> pa.Table:
    """(item_id, locale) of every row of the shelf whose item left the catalogue, in that order.

    Args:
        held: `item_id` of rows of the catalogue that were quarantined: they are still there, only not in order.
    """
    import duckdb

    with duckdb.connect() as connection:
        _bound(connection, scratch)
        connection.register("shelf", shelf.dataset().scanner(columns=["item_id", "locale"]).to_reader())
        connection.register("held", held)
        found: pa.Table = connection.sql(_GONE, params=[str(catalogue)]).to_arrow_table()
    return found.cast(pa.schema([("item_id", pa.string()), ("locale", pa.string())]))


def standing_on(shelf: Table, keys: pa.Table, scratch: Path) -> pa.Table:
    """Those (item_id, locale) that stand on the shelf, in that order."""
    import duckdb

    with duckdb.connect() as connection:
        _bound(connection, scratch)
        connection.register("shelf", shelf.dataset().scanner(columns=["item_id", "locale"]).to_reader())
        connection.register("keys", keys)
        found: pa.Table = connection.sql(_STANDING).to_arrow_table()
    return found.cast(pa.schema([("item_id", pa.string()), ("locale", pa.string())]))


def _bound(connection: "DuckDBPyConnection", scratch: Path) -> None:
    connection.execute(f"SET memory_limit = '{_MEMORY}'")
    connection.execute("SET threads = 1")
    connection.execute("SET temp_directory = ?", [str(scratch / "spill")])


_GONE = """
SELECT item_id, locale FROM shelf
ANTI JOIN (SELECT item_id FROM read_parquet(?) UNION ALL SELECT item_id FROM held) AS there USING (item_id)
ORDER BY ALL
"""
_STANDING = "SELECT item_id, locale FROM shelf SEMI JOIN keys USING (item_id, locale) ORDER BY ALL"
_COUNTS = """
WITH old AS ({old})
SELECT count(old.{key}), count(*) FILTER (WHERE old.{key} IS NULL), count(*) FILTER (WHERE fresh.{key} IS NULL),
       count(*) FILTER (WHERE old.{key} IS NOT NULL AND fresh.{key} IS NOT NULL AND ({differs}))
FROM old FULL JOIN read_parquet(?) AS fresh ON {on}
"""
