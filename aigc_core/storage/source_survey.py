"""How one file of a source is to be read, decided from its name and a sample, and said in a record."""

from dataclasses import dataclass, replace
from pathlib import Path

from aigc_core.contracts.reading import Reading
from aigc_core.errors import SourceInvalid
from aigc_core.records import SourceFile
from aigc_core.storage.source_csv import Layout, find_layout
from aigc_core.storage.source_encoding import encoding_of, take_sample
from aigc_core.storage.source_files import FORMATS, MAGIC, VALID, Place, byte_chunks, first_bytes, suffixes_of
from aigc_core.storage.source_json import Shape, find_shape
from aigc_core.storage.source_parquet import parquet_notes
from aigc_core.storage.source_records import ONE_COLUMN
from aigc_core.storage.source_text import TextFile

_FOREIGN = (
    (b"PK\x03\x04", "a ZIP archive or spreadsheet"),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet"),
    (b"%PDF", "a PDF"),
    (b"Obj\x01", "an Avro file"),
    (b"ORC", "an ORC file"),
    (b"ARROW1", "an Arrow file"),
    (b"SQLite format 3", "a SQLite database"),
)
_PARQUET = b"PAR1"
_SHAPES = {
    "array": "the rows are the elements of one array, numbered from 1",
    "objects": "the rows are objects one behind the other, numbered from 1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that reading one file needs."""

    place: Place
    said: SourceFile
    text: TextFile | None = None
    """None for Parquet."""
    layout: Layout | None = None
    """Of a delimited file."""
    shape: Shape | None = None
    """Of a JSON file."""


def plan_reading(place: Place, reading: Reading) -> Plan:
    """How a file is to be read: what is declared, and what its name, its first bytes and a sample say.

    Raises:
        SourceInvalid: it cannot be read, is no source, or its header does not fit its rows.
    """
    suffix, promised = suffixes_of(place.relative)
    start = first_bytes(place)
    compression = next((name for magic, name in MAGIC if start.startswith(magic)), "")
    notes = [f"passed over in the folder: {', '.join(place.passed_over)}"] if place.passed_over else []
    if compression != promised:
        notes.append(f"its first bytes say {compression or 'not compressed'}, its name {promised or 'nothing of it'}")
    head = first_bytes(place, compression) if compression else start
    kind = _kind(place, suffix, head, notes)
    if kind == "text" and (reading.delimiter or reading.header):
        kind = "csv"
    said = SourceFile(path=place.name, bytes=max(place.size, 0), format=kind, compression=compression)
    if kind == "parquet":
        notes += parquet_notes(place, compression) if head else ()
        return Plan(place=place, said=replace(said, notes=tuple(notes)))
    return _text_plan(Plan(place=place, said=said), reading, suffix, notes)


def _text_plan(plan: Plan, reading: Reading, suffix: str, notes: list[str]) -> Plan:
    place, kind = plan.place, plan.said.format
    sample = take_sample(byte_chunks(place, plan.said.compression))
    encoding = encoding_of(place.name, sample, reading.encoding)
    text = TextFile(place, plan.said.compression, encoding)
    if encoding.note:
        notes.append(encoding.note)
    said = replace(plan.said, encoding=encoding.codec, encoding_basis=encoding.basis)
    if kind == "csv":
        layout = find_layout(text, sample, reading, suffix)
        dialect = layout.dialect
        delimiter = "" if dialect.delimiter == ONE_COLUMN else dialect.delimiter
        said = replace(said, delimiter=delimiter, quote=dialect.quote, escape=dialect.escape)
        said = replace(said, header_line=layout.header.first, notes=(*notes, *layout.notes))
        return Plan(place=place, said=said, text=text, layout=layout)
    if kind == "text":
        notes.append("each line that is not empty is a row with the column `text`")
        return Plan(place=place, said=replace(said, notes=tuple(notes)), text=text)
    shape = find_shape(text, sample, by_line=kind == "jsonl")
    if shape.kind == "wrapped":
        notes.append(f"the rows are the elements of {shape.key!r} in the object around them, numbered from 1")
    elif (shape.kind == "lines") != (kind == "jsonl") or shape.kind == "objects":
        notes.append(_SHAPES.get(shape.kind, "each line is a row"))
    said = replace(said, format="jsonl" if shape.kind == "lines" else "json", notes=tuple(notes))
    return Plan(place=place, said=said, text=text, shape=shape)


def _kind(place: Place, suffix: str, head: bytes, notes: list[str]) -> str:
    """The format: Parquet and foreign files by their first bytes, the others by name, or else by how they begin."""
    foreign = next((words for magic, words in _FOREIGN if head.startswith(magic)), "")
    if foreign:
        raise SourceInvalid(f"{place.name} is {foreign}.", VALID, "Export it as CSV, JSON or Parquet.")
    promised = FORMATS.get(suffix, "")
    if head.startswith(_PARQUET) and promised != "parquet":
        notes.append("its first bytes say Parquet")
        return "parquet"
    if promised:
        return promised
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    found = "json" if start in (b"[", b"{") else "csv"
    notes.append(f"{Path(place.relative).name} has no suffix that names a format: read as {found}, as it begins")
    return found
