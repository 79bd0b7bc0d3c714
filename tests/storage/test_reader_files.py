"""What a source may name: a file, a glob, a folder, a URI; compressed or not, whatever the suffix says."""

import bz2
import gzip
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reader_files import refusal_of, rows_of, said_of, values_of, written

from aigc_core.errors import SourceInvalid
from aigc_core.storage.sources import file_sha256, read_source, source_files, survey


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three sources, in three formats, with other columns; and what is none."""
    written(tmp_path, "b.csv", "id,name\n1,hat\n")
    written(tmp_path, "a.jsonl", '{"name": "cap", "tint": "red"}\n')
    written(tmp_path, "deep/c.csv.gz", gzip.compress(b"id,name\n2,tie\n"))
    for name in ("readme.md", ".hidden.csv", "_SUCCESS", "_temporary/d.csv"):
        written(tmp_path, name, "id\n9\n")
    return tmp_path


def test_a_folder_is_all_its_files(folder: Path) -> None:
    assert [(row.file, row.number, row.values) for row in rows_of(folder)] == [
        ("a.jsonl", 1, {"name": "cap", "tint": "red"}),
        ("b.csv", 2, {"id": "1", "name": "hat"}),
        ("deep/c.csv.gz", 2, {"id": "2", "name": "tie"}),
    ]


def test_what_a_folder_holds_beside_is_said(folder: Path) -> None:
    said = survey(str(folder))
    assert said[0].notes == ("passed over in the folder: readme.md",)
    assert [Path(file.path).name for file in said] == ["a.jsonl", "b.csv", "c.csv.gz"]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [("*.csv", ["b.csv"]), ("**/*.csv*", ["b.csv", "deep/c.csv.gz"]), ("[ab].*", ["a.jsonl", "b.csv"])],
)
def test_a_glob_is_the_files_that_fit(folder: Path, pattern: str, names: list[str]) -> None:
    found = [
        place.relative for place in source_files(f"{folder}/{pattern}") if not place.relative.startswith((".", "_"))
    ]
    assert found == names


def test_a_file_uri_is_a_file(folder: Path) -> None:
    assert values_of((folder / "b.csv").as_uri()) == [{"id": "1", "name": "hat"}]


def test_another_scheme_is_read_through_fsspec() -> None:
    import fsspec  # type: ignore[import-untyped]

    fsspec.filesystem("memory").pipe("/shop/a.csv", b"a,b\n1,2\n")
    assert values_of("memory://shop/a.csv") == [{"a": "1", "b": "2"}]
    assert values_of("memory://shop") == [{"a": "1", "b": "2"}]


def test_an_unknown_scheme_is_refused() -> None:
    assert "nonsense://shop/a.csv" in refusal_of("nonsense://shop/a.csv")


def test_an_empty_file_among_others_has_no_rows(folder: Path) -> None:
    written(folder, "aa.csv", "")
    assert len(rows_of(folder)) == 3
    assert survey(str(folder))[1].notes == ("empty: it has no rows",)


def test_a_folder_or_glob_without_sources_is_refused(tmp_path: Path) -> None:
    written(tmp_path, "readme.md", "hello")
    assert "has no file of a known format" in refusal_of(tmp_path)
    assert "No file fits" in refusal_of(tmp_path / "*.csv")


def test_the_fingerprint_of_several_files_is_of_names_and_bytes(folder: Path) -> None:
    before = file_sha256(str(folder))
    (folder / "b.csv").rename(folder / "bb.csv")
    renamed = file_sha256(str(folder))
    written(folder, "bb.csv", "id,name\n1,hut\n")
    assert len({before, renamed, file_sha256(str(folder))}) == 3


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", gzip.compress(b"a,b\n1,2\n")), ("a.csv.gz", b"a,b\n1,2\n"), ("a.csv.zst", gzip.compress(b"a,b\n1,2\n"))],
)
def test_first_bytes_decide_where_the_name_is_wrong(tmp_path: Path, name: str, content: bytes) -> None:
    path = written(tmp_path, name, content)
    assert values_of(path) == [{"a": "1", "b": "2"}]
    assert "its first bytes say" in said_of(path).notes[0]


def test_parquet_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    target = io.BytesIO()
    pq.write_table(pa.table({"a": ["1"]}), target)
    path = written(tmp_path, "a.csv", target.getvalue())
    assert values_of(path) == [{"a": "1"}]
    assert said_of(path).notes == ("its first bytes say Parquet",)


@pytest.mark.parametrize(
    ("content", "kind"), [(b'{"a": "1"}\n', "jsonl"), (b'\n[{"a": "1"}]', "json"), (b"a\nx\n", "csv")]
)
def test_a_file_without_suffix_is_read_as_it_begins(tmp_path: Path, content: bytes, kind: str) -> None:
    path = written(tmp_path, "export", content)
    assert list(values_of(path)[0]) == ["a"]
    assert (said_of(path).format, "no suffix" in said_of(path).notes[0]) == (kind, True)


def test_a_spreadsheet_is_refused_by_name(tmp_path: Path) -> None:
    assert "is a ZIP archive or spreadsheet" in refusal_of(written(tmp_path, "a.csv", b"PK\x03\x04rest"))


@pytest.mark.parametrize("suffix", ["gz", "bz2"])
def test_compressed_files_put_behind_each_other_are_one(tmp_path: Path, suffix: str) -> None:
    pack = gzip.compress if suffix == "gz" else bz2.compress
    path = written(tmp_path, f"a.csv.{suffix}", pack(b"a,b\n1,2\n") + pack(b"3,4\n"))
    assert [row["a"] for row in values_of(path)] == ["1", "3"]


def test_text_is_delimited_when_declared(tmp_path: Path) -> None:
    path = written(tmp_path, "feed.txt", "sku\tname\n007\tHat, red\n")
    assert values_of(path, delimiter="\t") == [{"sku": "007", "name": "Hat, red"}]


def test_a_folder_with_one_source_is_that_source(tmp_path: Path) -> None:
    written(tmp_path / "night", "night", "what")
    written(tmp_path / "night", "a.csv", "a,b\n1,2\n")
    assert said_of(tmp_path / "night").notes == ("passed over in the folder: night",)
    assert values_of(tmp_path / "night") == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize("size", [10, 30, -1])
def test_cut_compression_is_refused(tmp_path: Path, size: int) -> None:
    whole = gzip.compress(b"a,b\n" + b"1,2\n" * 1000)
    assert "cannot be read" in refusal_of(written(tmp_path, "a.csv.gz", whole[:size]))


def test_every_flipped_bit_of_a_gzip_file_is_noticed(tmp_path: Path) -> None:
    whole = gzip.compress(b"a,b\n" + b"".join(b"%d,text of a row\n" % number for number in range(200)), mtime=0)
    for place in range(10, len(whole), 7):
        flipped = whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :]
        path = written(tmp_path, "a.csv.gz", flipped)
        with pytest.raises(SourceInvalid):
            list(read_source(str(path)))
