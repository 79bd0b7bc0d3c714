"""What a new version of a table changes, by key: rows that come, change, go. Joined on disk, never in memory."""

from collections.abc import Iterator, Sequence
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


def failing_without_successor(requests: Path, decisions: Path, rejudged: Path | None, scratch: Path) -> pa.Table:
    """(item_id, locale) of what may not stay published and was not renewed: under takedown, or failing new rules.

    Args:
        requests: the run's, with their states at planning.
        decisions: the audit's.
        rejudged: tonight's verdicts on earlier texts, where there are any.
    """
    import duckdb

    failing = "" if rejudged is None else _FAILING
    with duckdb.connect() as connection:
        _bound(connection, scratch)
        named = {"requests": str(requests), "decisions": str(decisions)}
        named |= {} if rejudged is None else {"rejudged": str(rejudged)}
        found: pa.Table = connection.sql(_UNFIT.format(failing=failing), params=named).to_arrow_table()
    return found.cast(pa.schema([("item_id", pa.string()), ("locale", pa.string())]))


def refused_at_planning(requests: Path, rejudged: Path, scratch: Path) -> Iterator[pa.RecordBatch]:
    """Requests that ended as `rejected` at planning, each with the text on the shelf that fails, in request order."""
    import duckdb

    with duckdb.connect() as connection:
        _bound(connection, scratch)
        named = {"requests": str(requests), "rejudged": str(rejudged)}
        yield from connection.sql(_REFUSED, params=named).to_arrow_reader(2000)


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
_FAILING = "UNION SELECT item_id, locale FROM read_parquet($rejudged) WHERE side = 'published' AND NOT holds"
_UNFIT = """
SELECT item_id, locale FROM (
    SELECT item_id, locale FROM read_parquet($requests) WHERE state = 'withheld' {failing}
)
ANTI JOIN (SELECT item_id, locale FROM read_parquet($decisions) WHERE state = 'published') USING (item_id, locale)
ORDER BY ALL
"""
_REFUSED = """
SELECT requests.item_id, requests.locale, requests.request_key, requests.state, requests.reason,
       requests.attributes_digest, requests.prompt_digest, requests.template_digest, requests.examples_digest,
       verdicts.text
FROM read_parquet($requests) AS requests
JOIN (SELECT position, text FROM read_parquet($rejudged) WHERE side = 'published') AS verdicts USING (position)
WHERE requests.state = 'rejected'
ORDER BY requests.position
"""
_COUNTS = """
WITH old AS ({old})
SELECT count(old.{key}), count(*) FILTER (WHERE old.{key} IS NULL), count(*) FILTER (WHERE fresh.{key} IS NULL),
       count(*) FILTER (WHERE old.{key} IS NOT NULL AND fresh.{key} IS NOT NULL AND ({differs}))
FROM old FULL JOIN read_parquet(?) AS fresh ON {on}
"""
