"""Files that are whole or not there: written aside, synced, renamed; read back by hash."""

import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

from aigc_core.errors import IntegrityBroken, LakeUnusable
from aigc_core.ids import canonical_json
from aigc_core.storage.processes import Process, this_process

BATCH_ROWS = 2000
_CHUNK = 1 << 20
_ASIDE = ".aside-"
_WRITER = re.compile(re.escape(_ASIDE) + "([0-9a-f]{8})-([0-9]+)-([0-9a-f]{8})-")
_OLD = 86_400.0
"""Seconds after which what lies aside is nobody's, wherever its writer was."""


@contextmanager
def lake_errors(path: str | Path) -> Iterator[None]:
    """Turn what the operating system refuses (disk full, read-only, no permission) into `LakeUnusable`."""
    try:
        yield
    except OSError as error:
        raise LakeUnusable(
            f"The lake cannot be used at {path}: {error.strerror or error}.",
            "It must be a folder this user can read and write, with free space.",
            "Mend that or name another with --lake; the same command then goes on where it stopped.",
        ) from error


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file's bytes, as 64 lowercase hex digits."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def write_text(path: Path, text: str) -> None:
    """Replace a text file atomically."""
    with lake_errors(path), _aside(path) as aside:
        aside.write_text(text, "utf-8")


def write_json(path: Path, value: object) -> None:
    """Replace a JSON file atomically, in canonical spelling."""
    write_text(path, canonical_json(value) + "\n")


def read_json(path: Path) -> object:
    """The JSON value of a file.

    Raises:
        IntegrityBroken: the file is not JSON.
    """
    with lake_errors(path):
        text = path.read_text("utf-8")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise IntegrityBroken(f"{path} is not JSON: {error}.") from error


class ParquetSink:
    """Writes one Parquet file (zstd, page checksums) that appears under its name only when closed without error."""

    def __init__(self, path: Path, schema: pa.Schema, footer: Mapping[str, str] | None = None) -> None:
        self.path = path
        self.rows = 0
        self._aside = _aside_name(path)
        self._footer = dict(footer or {})
        with lake_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(
                self._aside, schema, compression="zstd", compression_level=1, write_page_checksum=True
            )

    def write(self, data: pa.Table | pa.RecordBatch) -> None:
        """Append rows; an empty table writes nothing."""
        if data.num_rows:
            with lake_errors(self.path):
                self._writer.write(data)
            self.rows += data.num_rows

    def __enter__(self) -> "ParquetSink":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        with lake_errors(self.path):
            if kind is None and self._footer:
                self._writer.add_key_value_metadata(self._footer)
            self._writer.close()
            if kind is None:
                _put_in_place(self._aside, self.path)
            else:
                self._aside.unlink(missing_ok=True)


def read_batches(
    path: str | Path, columns: list[str] | None = None, *, rows: int = BATCH_ROWS
) -> Iterator[pa.RecordBatch]:
    """A Parquet file's rows in order, at most `rows` at a time, page checksums verified.

    Raises:
        IntegrityBroken: a page's checksum does not hold or the file is not Parquet.
    """
    with _readable(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        yield from file.iter_batches(batch_size=rows, columns=columns)


def read_row_groups(path: str | Path, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """A Parquet file's row groups in order: what each `ParquetSink.write` wrote."""
    with _readable(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        for index in range(file.num_row_groups):
            yield file.read_row_group(index, columns=columns)


def read_table(path: str | Path, columns: list[str] | None = None) -> pa.Table:
    """A small Parquet file whole, page checksums verified."""
    with _readable(path):
        return pq.read_table(path, columns=columns, page_checksum_verification=True)


def write_table(path: Path, table: pa.Table, footer: Mapping[str, str] | None = None) -> str:
    """Write one table atomically and return the file's SHA-256."""
    with ParquetSink(path, table.schema, footer) as sink:
        sink.write(table)
    with lake_errors(path):
        return sha256_of(path)


def write_by_content(folder: Path, stem: str, table: pa.Table) -> tuple[Path, str]:
    """Write one table under a name that holds its hash, `<stem>-<12 digits>.parquet`; path and SHA-256.

    Writers of different bytes never meet; writers of equal bytes replace like by like.
    """
    draft = _aside_name(folder / stem)
    digest = write_table(draft, table)
    path = folder / f"{stem}-{digest[:12]}.parquet"
    with lake_errors(path):
        _put_in_place(draft, path)
    return path, digest


def holds_content(path: Path) -> bool:
    """Whether a file of `write_by_content` still has the bytes it is named by."""
    return sha256_of(path)[:12] == path.stem.rpartition("-")[2]


def sweep(folder: Path) -> None:
    """Remove what interrupted writes left aside: of processes known to be dead, and whatever is older than a day."""
    for leftover in folder.rglob(f"{_ASIDE}*"):
        if _is_left(leftover):
            leftover.unlink(missing_ok=True)


def _is_left(aside: Path) -> bool:
    named = _WRITER.match(aside.name)
    if named and Process(host=named[1], pid=int(named[2]), birth=named[3]).surely_dead():
        return True
    with suppress(FileNotFoundError):
        return time.time() - aside.stat().st_mtime > _OLD
    return False


@contextmanager
def _readable(path: str | Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        raise IntegrityBroken(f"{path} cannot be read back: {error}.") from error


@contextmanager
def _aside(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = _aside_name(path)
    try:
        yield aside
        _put_in_place(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def _aside_name(path: Path) -> Path:
    own = this_process()
    return path.with_name(f"{_ASIDE}{own.host}-{own.pid}-{own.birth}-{secrets.token_hex(4)}-{path.name}")


def _put_in_place(aside: Path, path: Path) -> None:
    _sync(aside)
    aside.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
