"""Rows that an attempt wrote under another cut: taken over, so that another shard size never costs a text."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from aigc_core.generation.shards import PART, journal_of, part_step
from aigc_core.records import Shard
from aigc_core.storage.files import BATCH_ROWS, holds_content, read_table
from aigc_core.storage.journal import Journal
from aigc_core.storage.progress import RunFolder

_MEMORY = "512MB"
_MINE = pa.schema([("request_key", pa.string()), ("limit", pa.int32()), ("number", pa.int32())])
_JOIN = """
SELECT written.*, mine.number FROM mine JOIN written
ON mine.request_key = written.request_key AND mine."limit" IS NOT DISTINCT FROM written."limit"
ORDER BY mine.number
"""


def take_over(shards: Sequence[Shard], folder: RunFolder) -> None:
    """Put the attempt's rows that stand in parts and journals of other shards into the journals of these.

    One join on disk: linear in rows, memory bounded. Damaged files are passed over; their rows are made again.
    """
    others = _others(shards, folder)
    if not others:
        return
    import duckdb

    scratch = folder.file("scratch", "takeover")
    scratch.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{_MEMORY}'")
        connection.execute("SET threads = 1")
        connection.execute("SET temp_directory = ?", [str(scratch)])
        connection.register("mine", pa.RecordBatchReader.from_batches(_MINE, _mine(shards)))
        connection.register("written", pa.RecordBatchReader.from_batches(PART, _written(others)))
        by_number = {shard.number: shard for shard in shards}
        for batch in connection.sql(_JOIN).to_arrow_reader(BATCH_ROWS):
            for number in dict.fromkeys(batch.column("number").to_pylist()):
                _put(batch, number, journal_of(by_number[number], folder))


def _others(shards: Sequence[Shard], folder: RunFolder) -> list[Path]:
    """Parts and journals of the attempt that belong to none of these shards."""
    if not shards:
        return []
    mine = {Path(part_step(shard)).name for shard in shards}
    found = sorted(folder.file("parts").glob(f"a{shards[0].attempt}-*"))
    return [path for path in found if path.suffix in (".parquet", ".rows") and _cut_of(path) not in mine]


def _cut_of(path: Path) -> str:
    """The shard a part or a journal is of: `a1-00003-<12 digits>`."""
    return "-".join(path.stem.split("-")[:3])


def _mine(shards: Sequence[Shard]) -> Iterator[pa.RecordBatch]:
    for shard in shards:
        table = read_table(shard.path, ["request_key", "limit"])
        numbers = pa.array([shard.number] * table.num_rows, pa.int32())
        yield from table.append_column("number", numbers).cast(_MINE).combine_chunks().to_batches()


def _written(others: Sequence[Path]) -> Iterator[pa.RecordBatch]:
    for path in others:
        if path.suffix == ".rows":
            yield from Journal(path, PART).read().to_batches()
        elif holds_content(path):
            table = read_table(path)
            if table.schema.equals(PART):
                yield from table.to_batches()


def _put(batch: pa.RecordBatch, number: int, journal: Journal) -> None:
    rows = batch.filter(pc.equal(batch.column("number"), number)).drop_columns(["number"])
    journal.put(pa.Table.from_batches([rows]).cast(PART))
