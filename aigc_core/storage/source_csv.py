"""Rows of delimited files and of plain text; every value is text, kept as it stands."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from aigc_core.contracts.reading import Reading
from aigc_core.contracts.schema import RawRow
from aigc_core.storage.source_dialect import Fit, find_dialect, sample_lines
from aigc_core.storage.source_encoding import Sample
from aigc_core.storage.source_header import Header, distinct, find_header
from aigc_core.storage.source_records import ONE_COLUMN, Dialect, Records
from aigc_core.storage.source_text import FaultyLine, TextFile, line_end, lines, shown

HABITS = {".tsv": "\t", ".tab": "\t", ".psv": "|"}
"""Delimiters that a suffix promises; they hold when the first line has one."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the lines of one delimited file become rows."""

    dialect: Dialect
    header: Header
    skipped: int
    """Lines at the start that are not looked at."""
    newline: str
    """As in `lines`."""
    notes: tuple[str, ...]


def find_layout(file: TextFile, sample: Sample, reading: Reading, suffix: str) -> Layout:
    """Dialect and header of a file from its first lines, where they are not declared.

    Raises:
        SourceInvalid: the file cannot be read, or its header does not fit its rows.
    """
    newline = line_end(file, sample)
    source = lines(file, newline=newline, sample=sample)
    skipped = len(list(islice(source, reading.skip_lines or 0)))
    found, cut = sample_lines(source)
    cut = cut or not sample.whole
    notes = list[str]()
    if skipped:
        notes.append(f"the first {skipped} lines were passed over, as declared")
    said = found[0].rstrip("\r\n") if found else ""
    if not reading.delimiter and len(said) == 5 and said.lower().startswith("sep="):
        reading = reading.model_copy(update={"delimiter": said[4]})
        found, skipped = found[1:], skipped + 1
        notes.append(f"line {skipped} says that the delimiter is {said[4]!r}")
    elif not reading.delimiter and HABITS.get(suffix, "\n") in said:
        reading = reading.model_copy(update={"delimiter": HABITS[suffix]})
    fit = find_dialect(found, reading, cut=cut, start=skipped + 1)
    header = _header(file.place.name, fit, reading)
    return Layout(fit.dialect, header, skipped, newline, (*notes, *_remarks(fit, header)))


def read_csv(file: TextFile, layout: Layout, source_file: str) -> Iterator[RawRow]:
    """Rows of a delimited file, numbered by the line they begin on.

    A record with another number of cells than the header, with quotes that do not close, or with bytes that are no
    text is a row with an error; so is what stands before the header, and a header that comes again. Empty cells
    beyond the header's do not pass either: where the last column is empty they are the mark of a stray delimiter.
    Empty lines are skipped.

    Raises:
        SourceInvalid: the file cannot be read, or a line is too long.
    """
    source = islice(lines(file, newline=layout.newline), layout.skipped, None)
    records = Records(source, layout.dialect, start=layout.skipped + 1)
    names, header, width = layout.header.names, layout.header, len(layout.header.names)
    again, last = list(header.line) if width > 1 else [], header.last
    for number, cells, error in records:
        if len(cells) == width and number > last and cells != again:
            yield RawRow(number, dict(zip(names, cells, strict=True)), "", "", None, source_file)
        elif number < header.first or number > last:
            why = error or _misfit(cells, header, number)
            if why:
                yield RawRow(number, {}, why, shown(records.raw), None, source_file)


def read_text(file: TextFile, source_file: str) -> Iterator[RawRow]:
    """Rows of plain text: each line that is not empty, as the column `text`.

    Raises:
        SourceInvalid: the file cannot be read, or a line is too long.
    """
    for number, line in enumerate(lines(file, newline=""), 1):
        text = line.rstrip("\r\n")
        if isinstance(line, FaultyLine):
            yield RawRow(number, {}, line.fault.words, shown(text), None, source_file)
        elif text:
            yield RawRow(number, {"text": text}, "", "", None, source_file)


def _misfit(cells: Sequence[str], header: Header, number: int) -> str:
    """Why a record that was read is no row; empty when it holds nothing."""
    width = len(header.names)
    if number < header.first:
        return "stands before the header" if any(cell.strip() for cell in cells) else ""
    if len(cells) == width:
        return "repeats the header"
    return f"{len(cells)} cells where the header has {width}"


def _header(name: str, fit: Fit, reading: Reading) -> Header:
    if reading.header:
        names, notes = distinct(reading.header)
        return Header(names, 0, 0, (), notes)
    return find_header(name, fit)


def _remarks(fit: Fit, header: Header) -> list[str]:
    found = list(header.notes)
    before = sum(seen.number < header.first for seen in fit.records)
    if before:
        found.append(f"{before} lines before the header in line {header.first} are no rows")
    if fit.dialect.delimiter == ONE_COLUMN:
        found.append("no delimiter was found: each line is one cell")
    if fit.dialect.style == "bare":
        found.append("quotes inside quotes are not doubled: only one before a delimiter or a line's end closes")
    return found
