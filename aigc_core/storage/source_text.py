"""Text out of a file: decoded piece by piece, and bytes that do not decode kept, with where they stand."""

import codecs
import io
import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from aigc_core.errors import SourceInvalid
from aigc_core.storage.source_encoding import Encoding, Sample
from aigc_core.storage.source_files import Place, byte_chunks

MAX_CHARACTERS = 16 << 20
"""The longest line, cell or element that is read; a file that unpacks into one endless line stops here."""
_KEEP = "aigc-keep-bytes"
_LONE_RETURN = re.compile(r"\r(?!\n|\Z)")
_STRANGE = re.compile("[\0\udc00-\udcff]")
_noted = threading.local()


@dataclass(frozen=True, slots=True)
class Fault:
    """One byte that is no text."""

    position: int
    """Index of its stand-in in the text it came with."""
    words: str


class FaultyLine(str):
    """A line that holds bytes which are no text; each stands as U+DC00 plus the byte, NUL as itself."""

    fault: Fault


class ReturnsLine(str):
    """A line that ends in a line feed and holds carriage returns of its own."""


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file that is text and how its bytes are read."""

    place: Place
    compression: str
    encoding: Encoding

    def pieces(self, sample: Sample | None = None) -> Iterator[tuple[str, list[Fault]]]:
        """The text piece by piece, each with the faults in it; of the head of a sample when one is given.

        Raises:
            SourceInvalid: the file cannot be read or unpacked.
        """
        if sample is None:
            chunks: Iterable[bytes] = chain(byte_chunks(self.place, self.compression), (b"",))
        else:
            chunks = (sample.head, b"") if sample.whole else (sample.head,)
        codec = self.encoding.codec
        decoder = codecs.getincrementaldecoder(codec)(_KEEP)
        taken, mark = 0, self.encoding.mark
        for chunk in chunks:
            pending = decoder.getstate()[0]
            start = taken - len(pending)
            taken += len(chunk)
            skipped = min(mark, len(chunk))
            mark -= skipped
            body = chunk[skipped:]
            noted = list[tuple[int, int]]()
            _noted.faults = noted
            text = decoder.decode(body, final=not chunk)
            if noted or "\0" in text:
                yield text, list(_faults(text, pending + body, codec, (start + skipped, noted)))
            elif text:
                yield text, []


def lines(file: TextFile, *, newline: str, sample: Sample | None = None) -> Iterator[str]:
    """The file's lines, endings kept; one that holds bytes which are no text is a `FaultyLine`.

    Where only line feeds end lines, one that holds other carriage returns is a `ReturnsLine`.

    Args:
        file: the file.
        sample: lines of its head are wanted; a last line that is cut is left out.
        newline: as in `io.StringIO`: `` for any line ending, a line feed for that one alone.

    Raises:
        SourceInvalid: the file cannot be read, or has a line longer than `MAX_CHARACTERS`.
    """
    pending, waiting = "", list[Fault]()
    for text, faults in file.pieces(sample):
        faults = waiting + [Fault(fault.position + len(pending), fault.words) for fault in faults]
        text = pending + text
        found = io.StringIO(text, newline=newline).readlines()
        # A carriage return at the end may be half of a line ending.
        pending = found.pop() if found and not found[-1].endswith("\n") else ""
        if newline and "\r" in text and _LONE_RETURN.search(text):
            found = [ReturnsLine(line) if _LONE_RETURN.search(line) else line for line in found]
        if len(pending) > MAX_CHARACTERS:
            raise SourceInvalid(
                f"{file.place.name} has a line of more than {MAX_CHARACTERS} characters.",
                "Each row stands on lines of its own.",
            )
        if faults:
            found, waiting = _marked(found, faults)
        yield from found
    if pending and not (sample and not sample.whole):
        found = io.StringIO(pending, newline=newline).readlines()
        if newline and _LONE_RETURN.search(pending):
            found = [ReturnsLine(line) for line in found]
        yield from _marked(found, waiting)[0]


def line_end(file: TextFile, sample: Sample) -> str:
    """What ends lines, as `newline` of `lines`: line feeds alone when the sample has more of them than others."""
    text = "".join(piece for piece, _ in file.pieces(sample))
    feeds = text.count("\n")
    return "\n" if feeds and feeds >= text.count("\r") - text.count("\r\n") else ""


def shown(text: str) -> str:
    r"""Text of a refused row as it can be kept: bytes that are no text as `\xNN`."""
    return _STRANGE.sub(lambda found: f"\\x{ord(found[0]) & 0xFF:02x}", text)


def _keep(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    bad = error.object[error.start : error.end]
    _noted.faults += [(error.start + place, byte) for place, byte in enumerate(bad)]
    return "".join(chr(0xDC00 + byte) for byte in bad), error.end


codecs.register_error(_KEEP, _keep)


def _faults(text: str, data: bytes, codec: str, noted: tuple[int, list[tuple[int, int]]]) -> Iterator[Fault]:
    start, undecoded = noted
    strange, zeros = iter(undecoded), _zeros(text, data, codec)
    for found in _STRANGE.finditer(text):
        if found[0] == "\0":
            yield Fault(found.start(), f"holds a NUL byte (byte offset {start + next(zeros)} of the file)")
        else:
            place, byte = next(strange)
            words = f"byte 0x{byte:02X} at byte offset {start + place} of the file does not decode as {codec}"
            yield Fault(found.start(), words)


def _zeros(text: str, data: bytes, codec: str) -> Iterator[int]:
    """Byte offsets of the NUL characters, in order."""
    if not codec.startswith(("utf-16", "utf-32")):
        yield from (found.start() for found in re.finditer(b"\0", data))
        return
    offset = done = 0
    for found in re.finditer("\0", text):
        offset += len(text[done : found.start()].encode(codec, "surrogatepass"))
        done = found.start()
        yield offset


def _marked(found: list[str], faults: list[Fault]) -> tuple[list[str], list[Fault]]:
    """The lines with the faulty ones marked, and the faults behind them, counted from there."""
    if not faults:
        return found, []
    marked, place, next_fault = list[str](), 0, 0
    for line in found:
        end = place + len(line)
        first = next_fault
        while next_fault < len(faults) and faults[next_fault].position < end:
            next_fault += 1
        if next_fault > first:
            line = FaultyLine(line)
            line.fault = faults[first]
        marked.append(line)
        place = end
    return marked, [Fault(fault.position - place, fault.words) for fault in faults[next_fault:]]
