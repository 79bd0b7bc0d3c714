"""Sources in Parquet: page checksums verified, decoded batch by batch into plain values."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from aigc_core.contracts.schema import RawRow
from aigc_core.errors import SourceInvalid
from aigc_core.storage.source_text import COMPRESSIONS, byte_chunks


def read_parquet(path: str, *, batch_rows: int) -> Iterator[RawRow]:
    """Rows of a Parquet file, numbered from 1.

    Dictionaries are resolved, nested values become JSON text, bytes become text: UTF-8 or else hexadecimal.

    Raises:
        SourceInvalid: not Parquet, or damaged, checksums included.
    """
    number = 0
    with _opened(path) as source:
        try:
            file = pq.ParquetFile(source, page_checksum_verification=True, coerce_int96_timestamp_unit="us")
            _require_distinct(path, file.schema_arrow.names)
            for batch in file.iter_batches(batch_rows):
                columns = [_values(column) for column in batch.columns]
                names = batch.schema.names
                for cells in zip(*columns, strict=True):
                    number += 1
                    yield RawRow(number, dict(zip(names, cells, strict=True)))
        except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
            raise SourceInvalid(
                f"{path} cannot be read as Parquet: {' '.join(str(error).split())} (after {number} rows).",
                "A Parquet file must be whole, and its page checksums must hold.",
                "Copy or export it again.",
            ) from error


@contextmanager
def _opened(path: str) -> Iterator[str | IO[bytes]]:
    """The file itself, or its decompressed bytes in a temporary file: Parquet is read from its end."""
    if not path.lower().endswith(tuple(COMPRESSIONS)):
        yield path
        return
    with tempfile.TemporaryFile() as unpacked:
        for chunk in byte_chunks(path):
            unpacked.write(chunk)
        unpacked.seek(0)
        yield unpacked


def _require_distinct(path: str, names: list[str]) -> None:
    twice = [name for place, name in enumerate(names) if name in names[:place]]
    if twice:
        raise SourceInvalid(f"{path} has two columns named {twice[0]!r}.", "Every column needs its own name.")


def _values(column: pa.Array) -> list[object]:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    try:
        values: list[object] = column.to_pylist()
    except OverflowError:  # a date beyond Python's calendar
        return list(column.cast(pa.string()).to_pylist())
    if pa.types.is_nested(column.type) or any(isinstance(value, bytes) for value in values):
        return [_plain(value) for value in values]
    return values


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return _decoded(value)
    return None if value is None else json.dumps(value, ensure_ascii=False, default=_leaf)


def _leaf(value: object) -> str:
    return _decoded(value) if isinstance(value, bytes) else str(value)


def _decoded(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.hex()
