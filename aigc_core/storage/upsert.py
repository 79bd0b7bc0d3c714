"""Upserts as files of our own: those that hold a replaced row are written anew without it, the others stay.

delta-rs' merge stores text as `string_view`, which Arrow readers cannot filter; and it drops what we say of a field.
"""

import itertools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.transaction import AddAction, RemoveAction

from aigc_core.storage.files import ParquetSink, read_batches

Rows = Any
"""A `pa.Table` or a `pa.RecordBatchReader`; Arrow ships no types."""
FILE_ROWS = 500_000
"""Rows a file at most: bounds what replacing one row writes anew."""
SCAN_ROWS = 100_000
"""Rows looked up together: each look-up hashes all new keys once more."""
_SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What one commit does to the rows of a table."""

    rows: Callable[[], Rows]
    """Opens the new rows; called more than once. Their keys are held in memory, nothing else is."""
    on: tuple[str, ...]
    """Columns whose values identify a row."""
    gone: pa.Table | None = None
    """The `on` columns of rows that leave."""


def file_actions(table: DeltaTable, folder: Path, change: Change, name: str) -> list[AddAction | RemoveAction]:
    """Write what the table gains and name what it loses, for one commit.

    Args:
        name: beginning of the new files' names; equal rows on an equal version give equal names and bytes.
    """
    rows, on = change.rows, change.on
    schema = rows().schema
    leaving = change.gone.to_batches() if change.gone is not None else []
    given = (_keys(batch, on) for batch in itertools.chain(_batches(rows()), leaving))
    keys = pa.chunked_array(given, pa.string()).combine_chunks()
    touched = [action for action in _stored(table) if _holds_any(folder / action["path"], on, keys)]
    kept = (
        _without(batch, on, keys)
        for action in touched
        for batch in read_batches(folder / action["path"], rows=SCAN_ROWS)
    )
    added = _write(folder, name, schema, itertools.chain(kept, _batches(rows())))
    now = int(time.time() * 1000)
    removed = [RemoveAction(action["path"], True, now, action["size_bytes"], {}) for action in touched]  # noqa: FBT003
    return [*(_added(folder / file, count) for file, count in added), *removed]


def _batches(rows: Rows) -> Iterator[pa.RecordBatch]:
    yield from rows.to_batches() if isinstance(rows, pa.Table) else rows


def _stored(table: DeltaTable) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    return sorted(found, key=lambda action: str(action["path"]))


def _keys(batch: pa.RecordBatch, on: tuple[str, ...]) -> pa.Array:
    return pc.binary_join_element_wise(*(batch.column(name).cast(pa.string()) for name in on), _SEPARATOR)


def _holds_any(path: Path, on: tuple[str, ...], keys: pa.Array) -> bool:
    found = (pc.any(pc.is_in(_keys(batch, on), keys)).as_py() for batch in read_batches(path, list(on), rows=SCAN_ROWS))
    return any(found)


def _without(batch: pa.RecordBatch, on: tuple[str, ...], keys: pa.Array) -> pa.RecordBatch:
    return batch.filter(pc.invert(pc.is_in(_keys(batch, on), keys)))


def _write(folder: Path, name: str, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> list[tuple[str, int]]:
    written: list[tuple[str, int]] = []
    filled = (batch for batch in batches if batch.num_rows)
    while (first := next(filled, None)) is not None:
        file = f"{name}-{len(written):05d}.parquet"
        with ParquetSink(folder / file, schema) as sink:
            sink.write(_typed(first, schema))
            while sink.rows < FILE_ROWS and (batch := next(filled, None)) is not None:
                sink.write(_typed(batch, schema))
        written.append((file, sink.rows))
    return written


def _typed(batch: pa.RecordBatch, schema: pa.Schema) -> pa.Table:
    table = pa.Table.from_batches([batch])
    for name in set(schema.names) - set(table.column_names):
        table = table.append_column(name, pa.nulls(table.num_rows, schema.field(name).type))
    return table.select(schema.names).cast(schema)


def _added(path: Path, rows: int) -> AddAction:
    found = path.stat()
    stats = json.dumps({"numRecords": rows})
    return AddAction(path.name, found.st_size, {}, int(found.st_mtime * 1000), data_change=True, stats=stats)
