"""Sources made of text: bytes, decompressed and decoded piece by piece, and CSV on top of them."""

import codecs
import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

import pyarrow as pa

from aigc_core.contracts.schema import RawRow
from aigc_core.errors import SourceInvalid

CHUNK = 1 << 20
MAX_CHARACTERS = 16 << 20
"""The longest line or cell that is read; a file that unpacks into one endless line stops here."""
COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}
DELIMITERS = ",\t;|"
SNIFFED_LINES = 200
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def byte_chunks(path: str) -> Iterator[bytes]:
    """The file's bytes, decompressed by its last suffix, in pieces of at most 1 MiB.

    Raises:
        SourceInvalid: it cannot be read or does not decompress.
    """
    compression = next((name for suffix, name in COMPRESSIONS.items() if path.lower().endswith(suffix)), None)
    try:
        with pa.input_stream(path, compression=compression) as stream:
            while chunk := stream.read(CHUNK):
                yield chunk
    except (OSError, pa.ArrowException) as error:
        raise SourceInvalid(
            f"{path} cannot be read: {error}.",
            "Compressed files are .gz, .bz2 or .zst, each in the format its suffix names.",
        ) from error


def text_chunks(path: str) -> Iterator[str]:
    """The file's text, decoded as UTF-8 with or without a byte order mark.

    Raises:
        SourceInvalid: not UTF-8, with the offset of the first bad byte (after decompression).
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    taken = 0
    for chunk in chain(byte_chunks(path), (b"",)):
        if not taken and chunk.startswith(_UTF16_MARKS):
            raise _not_utf8(path, 0)
        start = taken - len(decoder.getstate()[0])
        body = chunk.removeprefix(_UTF8_MARK) if not taken else chunk
        start += len(chunk) - len(body)
        taken += len(chunk)
        try:
            yield decoder.decode(body, final=not chunk)
        except UnicodeDecodeError as error:
            raise _not_utf8(path, start + error.start) from error


def lines(path: str, *, newline: str) -> Iterator[str]:
    """The file's lines, endings kept.

    Args:
        path: the file.
        newline: as in `io.StringIO`: `` for any line ending, a line feed for that one alone.

    Raises:
        SourceInvalid: not UTF-8, or a line longer than `MAX_CHARACTERS`.
    """
    pending = ""
    for text in text_chunks(path):
        found = io.StringIO(pending + text, newline=newline).readlines()
        # A carriage return at the end may be half of a line ending.
        pending = found.pop() if found and not found[-1].endswith("\n") else ""
        if len(pending) > MAX_CHARACTERS:
            raise SourceInvalid(
                f"{path} has a line of more than {MAX_CHARACTERS} characters.",
                "Each row stands on lines of its own.",
            )
        yield from found
    yield from io.StringIO(pending, newline=newline)


def read_csv(path: str, *, delimiter: str | None = None) -> Iterator[RawRow]:
    """Rows of a delimited file with a header; every value is text, kept as it stands.

    Quotes are `"`, doubled inside quotes; quoted cells may hold line ends. A row with another number of cells
    than the header, or with quotes that do not close, is a row with an error. Empty lines are skipped.

    Args:
        path: the file.
        delimiter: one character; found among comma, tab, semicolon and bar when not given.

    Raises:
        SourceInvalid: not UTF-8, or a header that names a column twice.
    """
    source = lines(path, newline="")
    sample = list(islice(source, SNIFFED_LINES))
    reader = _Records(chain(sample, source), delimiter or _delimiter(sample))
    header: list[str] | None = None
    for number, cells, error in reader:
        if header is None:
            if error:
                raise SourceInvalid(f"{path} line {number}: the header cannot be read: {error}.")
            header = _header(path, cells)
        elif error or len(cells) != len(header):
            why = error or f"{len(cells)} cells where the header has {len(header)}"
            yield RawRow(number, {}, why, reader.raw)
        else:
            yield RawRow(number, dict(zip(header, cells, strict=True)))


class _Records:
    """Records of a delimited file with the line each begins on; remembers the text of the last one."""

    def __init__(self, source: Iterable[str], delimiter: str) -> None:
        self._source = source
        self._delimiter = delimiter
        self._taken: list[str] = []

    @property
    def raw(self) -> str:
        """The source text of the last record."""
        return "".join(self._taken)

    def _remembered(self) -> Iterator[str]:
        for line in self._source:
            self._taken.append(line)
            yield line

    def __iter__(self) -> Iterator[tuple[int, list[str], str]]:
        csv.field_size_limit(MAX_CHARACTERS)
        reader = csv.reader(self._remembered(), delimiter=self._delimiter, strict=True)
        while True:
            self._taken.clear()
            number, error, cells = reader.line_num + 1, "", list[str]()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as problem:
                error = str(problem)
            if cells or error:
                yield number, cells, error


def _header(path: str, cells: Sequence[str]) -> list[str]:
    names = [cell.strip() or f"column_{place}" for place, cell in enumerate(cells, 1)]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise SourceInvalid(
                f"{path} names the column {name!r} twice in its header.",
                "Every column needs its own name.",
                "Rename or remove one of them.",
            )
    return names


def _delimiter(sample: Sequence[str]) -> str:
    """The delimiter under which most rows are as wide as the header; the widest header among equals."""
    return max(DELIMITERS, key=lambda one: _fit(sample, one))


def _fit(sample: Sequence[str], delimiter: str) -> tuple[float, int]:
    widths = [len(cells) for _, cells, error in _Records(sample, delimiter) if not error]
    if not widths or widths[0] < 2:
        return (0.0, 0)
    return (widths.count(widths[0]) / len(widths), widths[0])


def _not_utf8(path: str, offset: int) -> SourceInvalid:
    return SourceInvalid(
        f"{path} is not UTF-8: the byte at offset {offset} does not fit.",
        "Text files must be UTF-8, with or without a byte order mark.",
        "Convert it, for example: iconv -f GB18030 -t UTF-8 (for Chinese exports) or -f WINDOWS-1252.",
    )
