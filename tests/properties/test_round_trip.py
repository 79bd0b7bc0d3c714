"""Any table of strings comes back as it was written; any bytes give rows or one clear error, and lose nothing."""

import csv
import json
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from any_lines import any_line, tables_in
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_core.contracts.content_line import ContentLine
from aigc_core.contracts.reading import Reading
from aigc_core.contracts.schema import RawRow
from aigc_core.corpus.catalogue import take_catalogue
from aigc_core.errors import SourceInvalid
from aigc_core.storage.sources import read_source, survey

Text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
Rows = st.lists(st.lists(Text, min_size=3, max_size=3), min_size=1, max_size=6)
NAMES = ["sku", "name", "text"]
PIECES = [*"ab12,;\"'\n\r\t {}[]:|", "\r\n", "\\", '"q,\n"', '{"a": 1}', '{"x": [1, {"y": 2}]},', "a,b\n"]
NO_TEXT = [b"\0", b"\xff", b"\xe9", b"\xc4\xe3", "裤".encode()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("round")


def read(path: Path, reading: Reading) -> list[RawRow]:
    return [row for batch in read_source(str(path), reading=reading) for row in batch]


def write_csv(path: Path, rows: Sequence[Sequence[str]], codec: str, **dialect: object) -> None:
    with path.open("w", encoding=codec, newline="") as file:
        csv.writer(file, **dialect).writerows([NAMES, *rows])  # type: ignore[arg-type]


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize(
    "dialect",
    [
        {"quoting": csv.QUOTE_MINIMAL},
        {"quoting": csv.QUOTE_ALL},
        {"delimiter": ";", "lineterminator": "\n", "quoting": csv.QUOTE_ALL},
        {"delimiter": "\t"},
        {"delimiter": "|", "quoting": csv.QUOTE_ALL},
        {"quotechar": "'", "quoting": csv.QUOTE_ALL},
    ],
    ids=str,
)
@settings(deadline=None, max_examples=60)
@given(rows=Rows)
def test_any_table_survives_csv(folder: Path, codec: str, dialect: dict[str, object], rows: list[list[str]]) -> None:
    write_csv(folder / "a.csv", rows, codec, **dialect)
    quote = str(dialect.get("quotechar", '"'))
    declared = Reading(encoding=codec, quote=quote, escape="", delimiter=str(dialect.get("delimiter", ",")))
    assert [list(row.values.values()) for row in read(folder / "a.csv", declared)] == rows


@settings(deadline=None, max_examples=200)
@given(rows=Rows)
def test_any_table_survives_csv_with_nothing_declared(folder: Path, rows: list[list[str]]) -> None:
    write_csv(folder / "b.csv", rows, "utf-8", quoting=csv.QUOTE_ALL)
    assert [row.values for row in read(folder / "b.csv", Reading())] == [
        dict(zip(NAMES, row, strict=True)) for row in rows
    ]


@settings(deadline=None, max_examples=100)
@given(rows=Rows)
def test_any_table_survives_csv_with_backslashes(folder: Path, rows: list[list[str]]) -> None:
    write_csv(folder / "c.csv", rows, "utf-8", quoting=csv.QUOTE_ALL, escapechar="\\", doublequote=False)
    declared = Reading(delimiter=",", quote='"', escape="\\")
    assert [list(row.values.values()) for row in read(folder / "c.csv", declared)] == rows


Value = Text | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False)

Objects = st.lists(st.dictionaries(Text, Value, min_size=1), min_size=1, max_size=6)


@pytest.mark.parametrize("form", ["lines", "array", "indented", "wrapped"])
@pytest.mark.parametrize("codec", ["utf-8", "utf-16", "gb18030"])
@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(st.dictionaries(Text, Value, min_size=1), min_size=1, max_size=6),
    escaped=st.sampled_from(["", "yes"]),
)
def test_any_value_survives_json(
    folder: Path, form: str, codec: str, rows: list[dict[str, object]], escaped: str
) -> None:
    text = json.dumps(rows, ensure_ascii=bool(escaped), indent=2 if form == "indented" else None)
    if form == "lines":
        text = "\n".join(json.dumps(row, ensure_ascii=bool(escaped)) for row in rows)
    path = folder / ("a.jsonl" if form == "lines" else "a.json")
    path.write_bytes((f'{{"items": {text}}}' if form == "wrapped" else text).encode(codec))
    assert [row.values for row in read(path, Reading(encoding=codec))] == rows


@settings(deadline=None, max_examples=60)
@given(rows=Rows, dictionary=st.sampled_from([False, ["sku", "text"]]), codec=st.sampled_from(["none", "zstd"]))
def test_any_table_survives_parquet(folder: Path, rows: list[list[str]], dictionary: object, codec: str) -> None:
    table = pa.table([list(column) for column in zip(*rows, strict=True)], names=NAMES)
    pq.write_table(table, folder / "a.parquet", use_dictionary=dictionary, compression=codec)
    assert [list(row.values.values()) for row in read(folder / "a.parquet", Reading())] == rows


def _kept(rows: Sequence[RawRow]) -> str:
    return "".join(
        f"{''.join(map(str, row.values))} {' '.join(map(str, row.values.values()))} {row.raw}" for row in rows
    )


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.json", "a.txt", "a.parquet", "bare"])
@settings(deadline=None, max_examples=150)
@given(pieces=st.lists(st.sampled_from([*(piece.encode() for piece in PIECES), *NO_TEXT]), min_size=1, max_size=40))
def test_any_bytes_give_rows_or_one_clear_error(folder: Path, name: str, pieces: list[bytes]) -> None:
    path = folder / name
    path.write_bytes(b"".join(pieces))
    try:
        rows = read(path, Reading(encoding="utf-8"))
    except SourceInvalid:
        return
    header = max(survey(str(path), reading=Reading(encoding="utf-8"))[0].header_line, 0)
    lines = re.split(r"\r\n|\n|\r", path.read_bytes().decode("latin-1"))[header:]
    kept = _kept(rows).replace(" ", "")
    assert not [word for line in lines for word in re.findall(r"[abqxy12]+", line) if word not in kept]


@settings(deadline=None, max_examples=200)
@given(
    content=st.binary(min_size=1, max_size=200), name=st.sampled_from(["d.csv", "d.jsonl", "d.json", "d.parquet", "d"])
)
def test_any_binary_gives_rows_or_one_clear_error(folder: Path, content: bytes, name: str) -> None:
    (folder / name).write_bytes(content)
    rows, refused = list[RawRow](), ""
    try:
        rows = read(folder / name, Reading())
    except SourceInvalid as error:
        refused = str(error)
    assert rows or f"/{name} " in refused


@pytest.mark.parametrize("pack", [str.encode, lambda text: text.encode("utf-16")], ids=["utf-8", "utf-16"])
@settings(deadline=None, max_examples=60)
@given(size=st.integers(1, 9), rows=Rows)
def test_pieces_of_any_size_give_the_same_rows(
    folder: Path, pack: Callable[[str], bytes], size: int, rows: list[list[str]]
) -> None:
    write_csv(folder / "e.csv", rows, "utf-8", quoting=csv.QUOTE_ALL)
    (folder / "e.csv").write_bytes(pack((folder / "e.csv").read_bytes().decode()))
    whole = read(folder / "e.csv", Reading())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aigc_core.storage.source_files.CHUNK", size)
        assert read(folder / "e.csv", Reading()) == whole


@pytest.fixture(scope="module")
def line(folder: Path) -> Callable[[], ContentLine]:
    """Gives the line when asked: hypothesis would write out all of it."""
    made = any_line(folder, NAMES)
    return lambda: made


def write_lines(path: Path, rows: Sequence[Sequence[str]]) -> None:
    path.write_text("\n".join(json.dumps(dict(zip(NAMES, row, strict=True))) for row in rows), "utf-8")


WRITERS: dict[str, Callable[[Path, Sequence[Sequence[str]]], None]] = {
    "csv": lambda path, rows: write_csv(path, rows, "utf-8", quoting=csv.QUOTE_ALL),
    "jsonl": write_lines,
    "parquet": lambda path, rows: pq.write_table(
        pa.table([list(column) for column in zip(*rows, strict=True)], names=NAMES), path
    ),
}


@pytest.mark.parametrize("form", WRITERS)
@settings(deadline=None, max_examples=40)
@given(rows=Rows)
def test_any_table_comes_back_from_the_lake(
    folder: Path, line: Callable[[], ContentLine], form: str, rows: list[list[str]]
) -> None:
    rows = [[f"{number}:{row[0]}", *row[1:]] for number, row in enumerate(rows)]  # an id of its own for each
    with tempfile.TemporaryDirectory(dir=folder) as home:
        WRITERS[form](Path(home) / f"a.{form}", rows)
        tables = tables_in(Path(home))
        door = take_catalogue(str(Path(home) / f"a.{form}"), line(), tables, None).door
        kept = tables.items.dataset().to_table().sort_by("position")["attributes"].to_pylist()
    assert (door.read, door.accepted) == (len(rows), len(rows))
    found = [{one["name"]: one["value"] for one in attributes} for attributes in kept]
    # What a prompt shows is one line: runs of white space are one space, and white space alone is nothing.
    shown = [{f"c{place}": " ".join(cell.split()) for place, cell in enumerate(row)} for row in rows]
    assert found == [{name: cell for name, cell in row.items() if cell} for row in shown]
