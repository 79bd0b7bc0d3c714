import bz2
import datetime as dt
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aigc_core.contracts.schema import RawRow
from aigc_core.errors import SourceInvalid
from aigc_core.storage import source_files, source_text
from aigc_core.storage.sources import file_sha256, read_source, require_no_secret, source_columns

SETTINGS = (
    "sig", "Signature", "X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "AWSAccessKeyId", "token",
    "secret_key", "PASSWORD", "access_key", "accesskey", "x-goog-signature", "client_secret", "apikey",
)  # fmt: skip


def read(path: Path) -> list[RawRow]:
    return [row for batch in read_source(str(path)) for row in batch]


def values(path: Path) -> list[dict[str, object]]:
    return [row.values for row in read(path)]


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return path


def refusal(path: Path, *columns: str) -> str:
    with pytest.raises(SourceInvalid) as caught:
        list(read_source(str(path), columns=columns))
    return str(caught.value)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_delimiters_are_found(tmp_path: Path, delimiter: str) -> None:
    path = written(tmp_path, "a.csv", f'a{delimiter}b\n1{delimiter}"x,;|\ty"\n')
    assert values(path) == [{"a": "1", "b": "x,;|\ty"}]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_csv_line_ends_and_byte_order_marks_do_not_matter(tmp_path: Path, end: str, mark: bytes) -> None:
    path = written(tmp_path, "a.csv", mark + f'item_id,b{end}0012,"x ""q"" y"{end}{end}2,裤{end}'.encode())
    assert values(path) == [{"item_id": "0012", "b": 'x "q" y'}, {"item_id": "2", "b": "裤"}]


def test_csv_rows_are_numbered_by_the_line_they_begin_on(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", 'a,b\n1,"two\nlines"\n\n3,4\n')
    assert [(row.number, row.values["a"]) for row in read(path)] == [(2, "1"), (5, "3")]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("1", "1 cells where the header has 2"),
        ("1,2,3", "3 cells where the header has 2"),
        ('1,"x"y', "text follows a closing quote"),
        ('1,"never closed', "a quote is opened and never closed"),
    ],
)
def test_a_csv_row_that_does_not_fit_is_kept_with_its_text(tmp_path: Path, line: str, error: str) -> None:
    row = read(written(tmp_path, "a.csv", f"a,b\n8,9\n{line}\n"))[1]
    assert (row.number, row.values, row.error, row.raw) == (3, {}, error, f"{line}\n")


def test_csv_columns_without_a_name_get_one_and_equal_names_are_told_apart(tmp_path: Path) -> None:
    assert values(written(tmp_path, "a.csv", "a,, c \n1,2,3\n")) == [{"a": "1", "column_2": "2", "c": "3"}]
    assert values(written(tmp_path, "b.csv", "a,b,a\n1,2,3\n")) == [{"a": "1", "b": "2", "a_2": "3"}]


def test_a_header_that_holds_no_text_is_refused(tmp_path: Path) -> None:
    assert "line 1: the header cannot be read: holds a NUL" in refusal(written(tmp_path, "a.csv", 'a\0,"b"\n1,2\n'))


def test_a_line_without_end_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_text, "MAX_CHARACTERS", 2 << 20)
    path = written(tmp_path, "a.jsonl.gz", gzip.compress(b"x" * (8 << 20)))
    assert "a line of more than 2097152 characters" in refusal(path)


def test_json_lines_keep_types_and_nested_values(tmp_path: Path) -> None:
    path = written(tmp_path, "a.jsonl", '{"a": "007", "b": 7, "c": 1.5, "d": null, "e": [["裤", 1]], "f": true}\n')
    assert values(path) == [{"a": "007", "b": 7, "c": 1.5, "d": None, "e": '[["裤", 1]]', "f": True}]


def test_json_rows_may_differ_in_columns_and_types(tmp_path: Path) -> None:
    assert values(written(tmp_path, "a.jsonl", '{"a": 1}\n\n{"a": "x", "b": 12345678901234567890}')) == [
        {"a": 1},
        {"a": "x", "b": 12345678901234567890},
    ]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("{oops", "not JSON: Expecting property name enclosed in double quotes at character 2"),
        ("[1]", "not a JSON object but an array"),
        ("7", "not a JSON object but a number"),
        ('{"a": 1, "a": 2}', "names the field 'a' twice"),
        ('{"a": {"b": 1, "b": 2}}', "names the field 'b' twice"),
        ("[" * 100_000, "not JSON that can be read: nested too deeply"),
    ],
)
def test_a_json_line_that_is_no_object_is_kept_with_its_number(tmp_path: Path, line: str, error: str) -> None:
    row = read(written(tmp_path, "a.jsonl", f'{{"a": 1}}\n\n{line}\n'))[1]
    assert (row.number, row.values, row.raw) == (3, {}, line)
    assert row.error.startswith(error)


def test_a_json_array_is_read_element_by_element(tmp_path: Path) -> None:
    path = written(tmp_path, "a.json", ' [ {"a": [1]} ,\n 7, {"a": 1, "a": 2}\n] ')
    assert [(row.number, row.values, row.error) for row in read(path)] == [
        (1, {"a": "[1]"}, ""),
        (2, {}, "not a JSON object but a number"),
        (3, {}, "names the field 'a' twice"),
    ]


def test_a_json_array_survives_being_cut_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[dict[str, object]] = [{"a": f'裤 \\ " {number}', "b": number * 1.5} for number in range(20)]
    path = written(tmp_path, "a.json", json.dumps(rows, ensure_ascii=False, indent=1))
    for size in (1, 2, 3, 7):
        monkeypatch.setattr(source_files, "CHUNK", size)
        assert values(path) == rows


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[{"a": 1}', "it does not close"),
        ('[{"a": 1} {"a": 2}]', "',' is missing near '{\"a\": 2}]'"),
        ('[{"a": ', "Expecting value at character 7 near"),
        ('[{"a": 1}] 5', "goes on after the end of its array"),
    ],
)
def test_a_broken_json_array_is_refused(tmp_path: Path, text: str, said: str) -> None:
    assert said in refusal(written(tmp_path, "a.json", text))


def test_a_json_file_may_hold_one_object_a_line(tmp_path: Path) -> None:
    assert values(written(tmp_path, "a.json", '\n{"a": 1}\n{"a": 2}\n')) == [{"a": 1}, {"a": 2}]


def test_parquet_values_are_plain(tmp_path: Path) -> None:
    day = dt.date(2026, 1, 31)
    columns: dict[str, pa.Array] = {
        "id": pa.array(["007", None]),
        "colour": pa.array(["red", "red"]).dictionary_encode(),
        "pairs": pa.array([[["a", "1"]], None], pa.list_(pa.list_(pa.string()))),
        "bytes": pa.array(["裤".encode(), b"\xff\x00"]),
        "day": pa.array([day, None]),
        "moment": pa.array([1_700_000_000_123_456_789, None], pa.timestamp("ns")),
        "year_9999_and_later": pa.array([2**60, None], pa.timestamp("ms")),
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    first, second = read(tmp_path / "a.parquet")
    assert list(first.values.values())[:5] == ["007", "red", '[["a", "1"]]', "裤", day]
    assert first.values["moment"] == dt.datetime(2023, 11, 14, 22, 13, 20, 123456)  # noqa: DTZ001
    assert isinstance(first.values["year_9999_and_later"], str)
    assert (second.number, second.values["bytes"], second.values["pairs"]) == (2, "ff00", None)


def test_a_flipped_bit_in_parquet_is_found_by_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"text": [f"a plain description, number {number}" for number in range(2000)]})
    pq.write_table(table, path, write_page_checksum=True, compression="none", use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    assert "cannot be read as Parquet: could not verify page integrity" in refusal(
        written(tmp_path, "a.parquet", bytes(content))
    )


def test_parquet_that_is_cut_is_refused_and_equal_names_are_told_apart(tmp_path: Path) -> None:
    pq.write_table(pa.table([[1], [2]], names=["a", "a"]), tmp_path / "a.parquet")
    assert values(tmp_path / "a.parquet") == [{"a": 1, "a_2": 2}]
    cut = written(tmp_path, "b.parquet", (tmp_path / "a.parquet").read_bytes()[:-9])
    assert "cannot be read as Parquet" in refusal(cut)


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [(".gz", gzip.compress), (".bz2", bz2.compress), (".zst", lambda data: pa.compress(data, "zstd", asbytes=True))],
)
def test_every_format_may_be_compressed(tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]) -> None:
    parquet = io.BytesIO()
    pq.write_table(pa.table({"a": ["1"]}), parquet)
    contents = {
        "a.csv": b"a\n1\n",
        "a.jsonl": b'{"a": "1"}',
        "a.json": b'[{"a": "1"}]',
        "a.parquet": parquet.getvalue(),
    }
    for name, content in contents.items():
        assert values(written(tmp_path, name + suffix, pack(content))) == [{"a": "1"}]


def test_broken_compression_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(b"a,b\n1,2\n" * 1000)
    assert "cannot be read" in refusal(written(tmp_path, "a.csv.gz", whole[:-20]))


def test_what_is_no_source_is_refused_at_once(tmp_path: Path) -> None:
    for path, said in (
        (tmp_path / "none.csv", f"There is no file {tmp_path / 'none.csv'} (looked for "),
        (written(tmp_path, "a.xlsx", b"PK"), "is of no known format. Sources are .csv"),
        (written(tmp_path, "a.csv", b""), "a.csv is empty."),
    ):
        with pytest.raises(SourceInvalid) as caught:
            read_source(str(path))
        assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text"), [("a.csv", "a,b\n"), ("a.jsonl", "\n \n"), ("a.json", "[]"), ("a.csv.gz", "")]
)
def test_a_source_without_rows_is_refused(tmp_path: Path, name: str, text: str) -> None:
    content = gzip.compress(text.encode()) if name.endswith(".gz") else text.encode()
    assert "has no rows" in refusal(written(tmp_path, name, content))


def test_a_source_of_which_nothing_can_be_read_says_why(tmp_path: Path) -> None:
    path = written(tmp_path, "a.jsonl", "oops\n[1]\n")
    assert "None of the first 2 rows of" in refusal(path)
    assert "row 1: not JSON" in refusal(path)


def test_a_missing_column_lists_those_that_exist(tmp_path: Path) -> None:
    message = refusal(written(tmp_path, "a.jsonl", '{"sku": 1}\n{"name": 2}\n'), "sku", "title")
    assert "has no column 'title'. Its columns are: sku, name." in message


def test_columns_are_those_of_the_first_batch(tmp_path: Path) -> None:
    assert source_columns(str(written(tmp_path, "a.jsonl", '{"b": 1}\n{"a": 2, "b": 3}\n'))) == ("b", "a")


def test_rows_come_in_batches(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "a\n" + "1\n" * 25_000)
    assert [len(batch) for batch in read_source(str(path))] == [10_000, 10_000, 5_000]


def test_the_fingerprint_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", b"abc")
    assert file_sha256(str(path)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "rows", "columns"),
    [
        ("hm_articles.parquet", 100_454, 25),
        ("e2e_restaurant.parquet", 46_733, 4),
        ("webnlg_en.parquet", 20_370, 6),
        ("advertisegen_zh_train.jsonl.gz", 5_000, 4),
        ("shopify_hair_export.csv", 565, 63),
    ],
)
def test_real_catalogues_are_read_whole(real_data: Path, name: str, rows: int, columns: int) -> None:
    found = read(real_data / "catalogue" / name)
    assert (len(found), sum(bool(row.error) for row in found), len(found[0].values)) == (rows, 0, columns)


@pytest.mark.real
def test_real_keys_keep_their_leading_zero(real_data: Path) -> None:
    assert all(str(row.values["sku"]).startswith("0") for row in read(real_data / "catalogue" / "hm_articles.parquet"))


@pytest.mark.real
def test_real_damaged_parquet_is_refused_never_misread(real_data: Path) -> None:
    damaged = [*real_data.glob("dirty/parquet_bad/*.parquet"), *real_data.glob("dirty/parquet_odd/*corrupt*.parquet")]
    assert len(damaged) >= 6
    for path in damaged:
        assert "cannot be read as Parquet" in refusal(path)


@pytest.mark.parametrize(
    "address",
    ["s3://KEY:hidden@shop/a.csv", "https://u:hidden@shop.example/a.csv"]
    + [f"https://shop.example/a.csv?region=eu&{name}=hidden" for name in SETTINGS],
)
def test_an_address_with_a_secret_is_refused_without_showing_it(address: str) -> None:
    with pytest.raises(SourceInvalid, match=r"a\.csv carries a key and a secret") as caught:
        require_no_secret(address)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "data/token=secret/a.csv",
        "s3://shop/a.csv?endpoint_override=http%3A%2F%2F127.0.0.1&region=eu-west-1&scheme=http",
        "abfss://container@account.dfs.core.windows.net/a.csv",
        "https://shop.example/secret/a.csv?design=round&tokens_per_page=9",
    ],
)
def test_an_address_without_a_secret_passes(address: str) -> None:
    require_no_secret(address)
