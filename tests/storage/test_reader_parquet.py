"""Parquet: exact values, whatever the encoding; nested values as JSON text."""

import datetime as dt
import math
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reader_files import said_of, values_of

from aigc_core.errors import SourceInvalid
from aigc_core.storage.sources import read_source


def read_back(folder: Path, array: pa.Array, **options: object) -> list[object]:
    pq.write_table(pa.table({"a": array}), folder / "a.parquet", **options)
    return [row["a"] for row in values_of(folder / "a.parquet")]


def test_decimals_are_their_exact_text(tmp_path: Path) -> None:
    array = pa.array([Decimal("1.10"), Decimal("12345678901234567890.00"), None], pa.decimal128(30, 2))
    assert read_back(tmp_path, array) == ["1.10", "12345678901234567890.00", None]


def test_old_timestamps_are_moments(tmp_path: Path) -> None:
    moment = dt.datetime(1969, 7, 20, 20, 17)  # noqa: DTZ001 -- as the file has it
    array = pa.array([moment, None], pa.timestamp("us"))
    assert read_back(tmp_path, array, use_deprecated_int96_timestamps=True) == [moment, None]


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (pa.array([[1, None]], pa.list_(pa.int64())), "[1, null]"),
        (pa.array([{"b": "裤", "c": [0.5]}]), '{"b": "裤", "c": [0.5]}'),
        (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), '[["k", 1]]'),
        (pa.array([[Decimal("1.10")]], pa.list_(pa.decimal128(5, 2))), '["1.10"]'),
        (pa.array([[2**60]], pa.list_(pa.timestamp("ms"))), None),
    ],
)
def test_nested_values_are_json_text(tmp_path: Path, array: pa.Array, text: str | None) -> None:
    (found,) = read_back(tmp_path, array)
    assert found == text if text else str(found).startswith('["')
    assert said_of(tmp_path / "a.parquet").notes == ("nested columns are JSON text: a",)


def test_a_number_that_is_none_stays_none(tmp_path: Path) -> None:
    nan, empty = read_back(tmp_path, pa.array([math.nan, None], pa.float64(), from_pandas=False))
    assert (math.isnan(float(str(nan))), empty) == (True, None)


@pytest.mark.parametrize("codec", ["snappy", "gzip", "brotli", "zstd", "lz4", "none"])
@pytest.mark.parametrize("version", ["1.0", "2.6"])
def test_every_codec_and_version_is_read(tmp_path: Path, codec: str, version: str) -> None:
    assert read_back(tmp_path, pa.array(["007", None]), compression=codec, version=version) == ["007", None]


def test_a_flipped_bit_under_a_checksum_never_passes(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": [f"text {number}" for number in range(300)]}), path, write_page_checksum=True)
    whole = path.read_bytes()
    good = values_of(path)
    for place in range(4, len(whole), 11):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 8]) + whole[place + 1 :])
        try:
            found = [row.values for batch in read_source(str(path)) for row in batch]
        except SourceInvalid:
            continue
        assert [list(row.values()) for row in found] == [list(row.values()) for row in good]
