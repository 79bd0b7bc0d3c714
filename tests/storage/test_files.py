"""A file is whole under its name, or not there."""

import hashlib
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shop import flip

from aigc_core.errors import IntegrityBroken, LakeUnusable
from aigc_core.storage.files import (
    ParquetSink,
    read_batches,
    read_json,
    read_row_groups,
    read_table,
    sha256_of,
    sweep,
    write_json,
    write_table,
    write_text,
)
from aigc_core.storage.processes import this_process

NUMBERS = pa.table({"n": pa.array(range(5000), pa.int64())})


def left_in(folder: Path) -> list[str]:
    """Names of all files."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def write_then_fail(sink: ParquetSink) -> None:
    """Ten rows, then an error."""
    sink.write(NUMBERS.slice(0, 10))
    raise KeyError("no such column")


def test_text_is_replaced_and_nothing_stays_aside(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.txt"
    write_text(path, "one")
    write_text(path, "两")
    assert path.read_text("utf-8") == "两"
    assert left_in(tmp_path) == ["a.txt"]


def test_json_is_written_in_its_one_spelling(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": "中"})
    assert (tmp_path / "a.json").read_text("utf-8") == '{"a":"中","b":1}\n'
    assert read_json(tmp_path / "a.json") == {"a": "中", "b": 1}


def test_what_is_not_json_breaks_integrity(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(IntegrityBroken, match=r"a\.json is not JSON: Expecting"):
        read_json(tmp_path / "a.json")


def test_a_sink_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "n.parquet"
    before = write_table(path, NUMBERS)
    with pytest.raises(KeyError, match="no such column"), ParquetSink(path, NUMBERS.schema) as sink:
        write_then_fail(sink)
    assert sha256_of(path) == before
    assert left_in(tmp_path) == ["n.parquet"]


def test_a_sink_counts_its_rows_and_writes_its_footer(tmp_path: Path) -> None:
    with ParquetSink(tmp_path / "n.parquet", NUMBERS.schema, {"AIGC": "{}"}) as sink:
        sink.write(NUMBERS)
        sink.write(NUMBERS.slice(0, 0))
    assert sink.rows == 5000
    assert pq.read_metadata(tmp_path / "n.parquet").metadata[b"AIGC"] == b"{}"


def test_an_empty_sink_is_an_empty_table(tmp_path: Path) -> None:
    with ParquetSink(tmp_path / "n.parquet", NUMBERS.schema):
        pass
    assert read_table(tmp_path / "n.parquet").schema == NUMBERS.schema
    assert list(read_row_groups(tmp_path / "n.parquet")) == []


def test_batches_are_bounded_and_in_order(tmp_path: Path) -> None:
    write_table(tmp_path / "n.parquet", NUMBERS)
    batches = list(read_batches(tmp_path / "n.parquet"))
    assert [batch.num_rows for batch in batches] == [2000, 2000, 1000]
    assert [value for batch in batches for value in batch.column(0).to_pylist()] == list(range(5000))


def test_row_groups_are_the_writes(tmp_path: Path) -> None:
    with ParquetSink(tmp_path / "n.parquet", NUMBERS.schema) as sink:
        for start, rows in ((0, 3), (3, 1), (4, 6)):
            sink.write(NUMBERS.slice(start, rows))
    assert [group.num_rows for group in read_row_groups(tmp_path / "n.parquet")] == [3, 1, 6]


def test_a_flipped_byte_is_found_on_reading(tmp_path: Path) -> None:
    write_table(tmp_path / "n.parquet", NUMBERS)
    flip(tmp_path / "n.parquet")
    with pytest.raises(IntegrityBroken, match=r"n\.parquet cannot be read back"):
        list(read_batches(tmp_path / "n.parquet"))


def test_the_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "a").write_bytes(content)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(content).hexdigest()


def test_a_sweep_takes_what_the_dead_left_and_what_is_old(tmp_path: Path) -> None:
    own = this_process()
    dead = f".aside-{own.host}-{own.pid}-00000000-12345678-a.json"
    alive = f".aside-{own.host}-{own.pid}-{own.birth}-12345678-a.json"
    elsewhere = ".aside-00000000-1-00000000-12345678-b.parquet"
    for name in (dead, alive, f"deep/{elsewhere}", "deep/.aside-old", "a.json", "deep/aside-3"):
        write_text(tmp_path / name, "x")
    os.utime(tmp_path / "deep" / ".aside-old", (0, 0))
    sweep(tmp_path)
    assert left_in(tmp_path) == sorted([alive, elsewhere, "a.json", "aside-3"])


def test_a_file_in_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("not a folder")
    with pytest.raises(LakeUnusable, match=r"The lake cannot be used at .*lake/a\.txt: .*name another with --lake"):
        write_text(tmp_path / "lake" / "a.txt", "x")
    with pytest.raises(LakeUnusable, match="must be a folder this user can read and write"):
        ParquetSink(tmp_path / "lake" / "n.parquet", NUMBERS.schema)
