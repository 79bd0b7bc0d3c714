"""Catalogue and corpus files as raw rows: CSV, JSON and Parquet, streamed, nothing lost."""

import hashlib
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path

from aigc_core.contracts.schema import RawRow
from aigc_core.errors import SourceInvalid
from aigc_core.storage.source_json import read_json, read_json_lines
from aigc_core.storage.source_parquet import read_parquet
from aigc_core.storage.source_text import COMPRESSIONS, read_csv

BATCH_ROWS = 10_000
FORMATS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
VALID = f"Sources are {', '.join(FORMATS)} files, each also with {', '.join(COMPRESSIONS)}."


def read_source(path: str, *, columns: Collection[str] = ()) -> Iterator[list[RawRow]]:
    """Raw rows in source order, in batches of at most 10,000.

    Text formats give text or JSON values, Parquet the types of its columns; nested values are JSON text. A
    line or record that cannot be taken apart is a row whose `error` says why.

    Args:
        path: a local file; its suffixes name format and compression.
        columns: columns that must be there: in the header, or in some row of the first batch.

    Raises:
        SourceInvalid: at once for a missing file, a folder, an empty file or an unknown format; while reading
            for text that is not UTF-8, damage, a missing column, or no row at all.
    """
    kind = _kind(path)
    return _batches(path, kind, columns)


def source_columns(path: str) -> tuple[str, ...]:
    """The columns of the first batch of rows, in order of appearance.

    Raises:
        SourceInvalid: as `read_source`.
    """
    return _columns(next(read_source(path)))


def file_sha256(path: str) -> str:
    """SHA-256 of the file's bytes as they lie on disk, as 64 lowercase hex digits.

    Raises:
        SourceInvalid: a missing or unreadable file.
    """
    _kind(path)
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _kind(path: str) -> str:
    place = Path(path)
    if place.is_dir():
        raise SourceInvalid(f"{path} is a folder.", VALID, "Name one file in it.")
    if not place.is_file():
        raise SourceInvalid(f"There is no file {path} (looked for {place.absolute()}).", VALID)
    suffixes = [suffix.lower() for suffix in place.suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    if not suffixes or suffixes[-1] not in FORMATS:
        raise SourceInvalid(f"{path} is of no known format.", VALID, "Convert it, or correct its suffix.")
    try:
        with place.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise SourceInvalid(f"{path} cannot be read: {error.strerror}.", VALID) from error
    if empty:
        raise SourceInvalid(f"{path} is empty.", VALID)
    return suffixes[-1]


def _rows(path: str, kind: str) -> Iterator[RawRow]:
    match kind:
        case ".csv":
            return read_csv(path)
        case ".tsv":
            return read_csv(path, delimiter="\t")
        case ".json":
            return read_json(path)
        case ".parquet":
            return read_parquet(path, batch_rows=BATCH_ROWS)
        case _:
            return read_json_lines(path)


def _batches(path: str, kind: str, columns: Collection[str]) -> Iterator[list[RawRow]]:
    rows = _rows(path, kind)
    batch = list(islice(rows, BATCH_ROWS))
    _require_readable(path, batch)
    _require_columns(path, batch, columns)
    while batch:
        yield batch
        batch = list(islice(rows, BATCH_ROWS))


def _require_readable(path: str, batch: list[RawRow]) -> None:
    if not batch:
        raise SourceInvalid(f"{path} has no rows.", "A source has at least one row; a CSV file also a header.")
    if all(row.error for row in batch):
        first = batch[0]
        raise SourceInvalid(
            f"None of the first {len(batch)} rows of {path} can be read; row {first.number}: {first.error}.",
            VALID,
        )


def _require_columns(path: str, batch: list[RawRow], columns: Collection[str]) -> None:
    there = _columns(batch)
    missing = [column for column in columns if column not in there]
    if missing:
        raise SourceInvalid(
            f"{path} has no column {', '.join(map(repr, missing))}.",
            f"Its columns are: {', '.join(there)}.",
            "Correct `columns` in the recipe, or the file's header.",
        )


def _columns(batch: list[RawRow]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for row in batch for name in row.values))
