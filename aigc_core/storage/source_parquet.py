"""Sources in Parquet: page checksums verified, decoded batch by batch into plain values."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from aigc_core.contracts.schema import RawRow
from aigc_core.errors import SourceInvalid
from aigc_core.storage.source_files import Place, byte_chunks, open_at_random
from aigc_core.storage.source_header import distinct

_DAMAGE = (OSError, pa.ArrowException, UnicodeDecodeError, OverflowError, ValueError)


def read_parquet(place: Place, compression: str, source_file: str, *, batch_rows: int) -> Iterator[RawRow]:
    """Rows of a Parquet file, numbered from 1.

    Dictionaries are resolved; nested values become JSON text, decimals their exact text, bytes UTF-8 text or else
    hexadecimal, dates beyond Python's calendar text. Columns of the same name are told apart by number.

    Raises:
        SourceInvalid: not Parquet, or damaged, checksums included.
    """
    number = 0
    with _opened(place, compression) as source:
        try:
            file = _parquet_file(source)
            names, _ = distinct(file.schema_arrow.names)
            for batch in file.iter_batches(batch_rows):
                columns = [_values(column) for column in batch.columns]
                for cells in zip(*columns, strict=True) if columns else [()] * batch.num_rows:
                    number += 1
                    yield RawRow(number, dict(zip(names, cells, strict=True)), "", "", None, source_file)
        except _DAMAGE as error:
            raise _damaged(place, error, number) from error


def parquet_notes(place: Place, compression: str) -> tuple[str, ...]:
    """What was assumed about a Parquet file's columns.

    Raises:
        SourceInvalid: not Parquet, or its footer is damaged.
    """
    with _opened(place, compression) as source:
        try:
            schema = _parquet_file(source).schema_arrow
        except _DAMAGE as error:
            raise _damaged(place, error, 0) from error
    nested = [field.name for field in schema if pa.types.is_nested(field.type)]
    return distinct(schema.names)[1] + ((f"nested columns are JSON text: {', '.join(nested)}",) if nested else ())


def _parquet_file(source: "pa.NativeFile | IO[bytes]") -> pq.ParquetFile:
    return pq.ParquetFile(source, page_checksum_verification=True, coerce_int96_timestamp_unit="us")


def _damaged(place: Place, error: Exception, rows: int) -> SourceInvalid:
    return SourceInvalid(
        f"{place.name} cannot be read as Parquet: {' '.join(str(error).split())} (after {rows} rows).",
        "A Parquet file must be whole, and its page checksums must hold.",
        "Copy or export it again.",
    )


@contextmanager
def _opened(place: Place, compression: str) -> Iterator["pa.NativeFile | IO[bytes]"]:
    """The file itself, or its unpacked bytes in a temporary file: Parquet is read from its end."""
    if not compression:
        with open_at_random(place) as source:
            yield source
        return
    with tempfile.TemporaryFile() as unpacked:
        for chunk in byte_chunks(place, compression):
            unpacked.write(chunk)
        unpacked.seek(0)
        yield unpacked


def _values(column: pa.Array) -> Sequence[object]:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp("us", kind.tz), safe=False)
    elif pa.types.is_decimal(kind):
        return [None if value is None else format(value, "f") for value in column.to_pylist()]
    elif pa.types.is_duration(kind) or pa.types.is_time(kind) or pa.types.is_interval(kind):
        return _as_text(column)
    try:
        values: list[object] = column.to_pylist()
    except (OverflowError, ValueError):  # a date beyond Python's calendar
        return _as_text(column)
    if pa.types.is_nested(kind) or any(isinstance(value, bytes) for value in values):
        return [_plain(value) for value in values]
    return values


def _as_text(column: pa.Array) -> list[object]:
    try:
        texts: list[object] = column.cast(pa.string()).to_pylist()
    except pa.ArrowException:
        return [_plain(value) for value in column.cast(_without_times(column.type)).to_pylist()]
    return texts


def _without_times(kind: pa.DataType) -> pa.DataType:
    """The nested type with text in place of dates and moments, which may lie beyond Python's calendar."""
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_without_times(field.type)) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(_without_times(kind.key_type), _without_times(kind.item_type))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return pa.list_(kind.value_field.with_type(_without_times(kind.value_type)))
    return pa.string() if pa.types.is_temporal(kind) else kind


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return _decoded(value)
    return None if value is None else json.dumps(value, ensure_ascii=False, default=_leaf)


def _leaf(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    return _decoded(value) if isinstance(value, bytes) else str(value)


def _decoded(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.hex()
