"""Which encoding a file of text is in: declared, marked, or detected by a rule that is written down with the file.

The rule, in order. A byte order mark decides. Without one, text in which every other byte is NUL is UTF-16. Bytes up to
the first one beyond ASCII say nothing (every candidate reads them alike), so what is judged is up to 1 MiB from there:
it is UTF-8 when every byte fits, or when at least `GOOD_TO_BAD` times as many characters fit as bytes do not; GB18030
when nearly all bytes fit and most characters beyond ASCII are everyday Chinese ones; Windows-1252 when every byte fits
and nearly all such characters are letters or typographic marks. Otherwise it is read as UTF-8, and rows with bytes that
do not fit are refused one by one.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

from aigc_core.errors import SourceInvalid

SCANNED_BYTES = 64 << 20
"""How far a file is searched for its first byte beyond ASCII."""
JUDGED_BYTES = 1 << 20
HEAD_BYTES = 1 << 20
GOOD_TO_BAD = 4
EVERYDAY_CHINESE = 0.5
"""Least share of GB2312 characters among those beyond ASCII: accented Latin letters read as GB18030 give rare ones."""
LATE_CHINESE = 0.1
"""Least share of them from the later part of GB2312 (pinyin s to z, a third of all text): Korean has none there."""
LATIN_MARKS = 0.9
LATIN_DENSITY = 0.25
"""Most of a text that is not ASCII: accented letters are few in Western languages, Cyrillic ones are nearly all."""
_MARK = 0xA1
_CHINESE_MARKS = frozenset("，。、；：？！“”‘’（）《》【】…—·")
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_STRUCTURE = set("\n\r\t,;|\"':{}[] ")
_LATIN = re.compile(r"[À-ÿŒœŠšŽžŸƒ‘’‚“”„‹›«»–—…•·€£¥¢§©®™°º¹²³¼½¾´¿¡\u00a0×±µ¶]")


_NAME_IT = "name `encoding` in the recipe (`--encoding` while it has no line)"


@dataclass(frozen=True, slots=True)
class Sample:
    """What of a file's bytes, unpacked, is looked at."""

    head: bytes
    """The first bytes, at most 1 MiB."""
    judged: bytes
    """Up to 1 MiB from the first byte beyond ASCII; empty when there is none."""
    scanned: int
    """Bytes searched for it."""
    whole: bool
    """Whether the head is the whole file."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a file's bytes become text."""

    codec: str
    """Python codec name; the byte order mark is not part of what it decodes."""
    basis: str
    """As `SourceFile.encoding_basis`."""
    mark: int = 0
    """Bytes of the byte order mark, passed over at the start."""
    note: str = ""


def take_sample(chunks: Iterator[bytes]) -> Sample:
    """The head of a file and what lies beyond ASCII in it; reads no more than it must."""
    head, judged, scanned, ended = b"", b"", 0, True
    for chunk in chunks:
        if len(head) < HEAD_BYTES:
            head += chunk[: HEAD_BYTES - len(head)]
        if judged:
            judged += chunk[: JUDGED_BYTES - len(judged)]
        elif not chunk.isascii():
            judged = chunk[_first_beyond_ascii(chunk) :][:JUDGED_BYTES]
        scanned += len(chunk)
        enough = len(judged) >= JUDGED_BYTES or scanned >= SCANNED_BYTES
        if enough and len(head) >= HEAD_BYTES:
            ended = False
            break
    return Sample(head, judged, scanned, ended and scanned <= HEAD_BYTES)


def encoding_of(name: str, sample: Sample, declared: str | None) -> Encoding:
    """The encoding of a file.

    Args:
        name: the file, for the error.
        sample: of its bytes.
        declared: a Python codec name that a person gave; it wins.

    Raises:
        SourceInvalid: the declared name is no text encoding.
    """
    marked = next(((mark, codec) for mark, codec in _BOMS if sample.head.startswith(mark)), None)
    if declared:
        return _declared(name, declared, marked)
    if marked:
        return Encoding(marked[1], "byte order mark", len(marked[0]))
    return _wide(sample.head) or _judged(sample)


def _first_beyond_ascii(chunk: bytes) -> int:
    try:
        chunk.decode("ascii")
    except UnicodeDecodeError as error:
        return error.start
    return 0


def _declared(name: str, declared: str, marked: tuple[bytes, str] | None) -> Encoding:
    try:
        codec = codecs.lookup(declared).name
        b"".decode(codec)
    except LookupError as error:
        raise SourceInvalid(
            f"{name}: {declared!r} is no text encoding.",
            "`--encoding`, or `reading.encoding` in a recipe, is one such as utf-8, utf-16, gb18030 or windows-1252.",
        ) from error
    plain = codec.removesuffix("-sig")
    if marked and marked[1].startswith(plain):
        return Encoding(marked[1], "declared", len(marked[0]))
    return Encoding({"utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(plain, plain), "declared")


def _wide(head: bytes) -> Encoding | None:
    """UTF-16 without a mark, evident from where the NUL bytes of its ASCII characters stand."""
    body = head[: len(head) // 2 * 2][: 64 << 10]
    low, high = body[1::2].count(0), body[0::2].count(0)
    if not body or (low and high) or max(low, high) * 10 < len(body) // 2:
        return None
    codec = "utf-16-le" if low else "utf-16-be"
    text = codecs.getincrementaldecoder(codec)("replace").decode(body)
    if "\ufffd" in text or not _STRUCTURE & set(text):
        return None
    if any(ord(character) < 32 and character not in "\t\r\n" for character in text):
        return None
    share = max(low, high) * 2 / len(body)
    return Encoding(codec, f"detected: in {share:.0%} of the pairs of bytes one is NUL, always the same one")


def _judged(sample: Sample) -> Encoding:
    if not sample.judged:
        where = "the whole file" if sample.whole else f"the first {sample.scanned:,} bytes"
        return Encoding("utf-8", f"every byte fits ({where} is ASCII)")
    text, bad = _tried(sample.judged, "utf-8")
    judged = f"{len(sample.judged):,} bytes from the first one beyond ASCII"
    if not bad:
        return Encoding("utf-8", f"every byte fits ({judged})")
    good = _beyond_ascii(text)
    if good >= GOOD_TO_BAD * bad:
        note = f"{bad} bytes do not fit UTF-8 among {good:,} characters that do: their rows are refused"
        return Encoding("utf-8", f"detected: {good:,} characters beyond ASCII fit, {bad} bytes do not", 0, note)
    return _chinese(sample.judged) or _western(sample) or _unclear(bad)


def _unclear(bad: int) -> Encoding:
    note = f"{bad} bytes fit no encoding that is detected; rows with them are refused: {_NAME_IT}"
    return Encoding("utf-8", "detected: nothing speaks for another encoding", 0, note)


def _chinese(judged: bytes) -> Encoding | None:
    text, bad = _tried(judged, "gb18030")
    beyond = [character for character in text if character > "\x7f" and character != "\ufffd"]
    rows = [_row_of_gb2312(character) for character in beyond]
    everyday = sum(0xB0 <= row <= 0xD7 or row == _MARK for row in rows)
    late = sum(0xC9 <= row <= 0xD7 for row in rows)
    if not beyond or bad * 100 > len(beyond) or everyday < EVERYDAY_CHINESE * len(beyond):
        return None
    if everyday >= 20 and late < LATE_CHINESE * everyday:
        return None
    share = everyday / len(beyond)
    note = "" if not bad else f"{bad} bytes do not fit GB18030: their rows are refused"
    return Encoding("gb18030", f"detected: not UTF-8, and {share:.0%} of its characters are everyday Chinese", 0, note)


def _row_of_gb2312(character: str) -> int:
    """The first byte of a character in GB2312; `_MARK` for everyday punctuation, 0 for what is not in it."""
    if character in _CHINESE_MARKS:
        return _MARK
    try:
        return character.encode("gb2312")[0]
    except UnicodeEncodeError:
        return 0


def _western(sample: Sample) -> Encoding | None:
    text, bad = _tried(sample.judged, "cp1252")
    marks = len(_LATIN.findall(text))
    whole = _tried(sample.head, "cp1252")[0] if not sample.head.isascii() else text
    dense = _beyond_ascii(whole) > LATIN_DENSITY * len(whole)
    if bad or dense or marks < LATIN_MARKS * _beyond_ascii(text):
        return None
    note = f"read as Windows-1252, the last resort: {_NAME_IT} when accented letters look wrong"
    return Encoding("cp1252", "detected: neither UTF-8 nor Chinese, and every byte fits Windows-1252", 0, note)


def _beyond_ascii(text: str) -> int:
    return sum(character > "\x7f" and character != "\ufffd" for character in text)


def _tried(judged: bytes, codec: str) -> tuple[str, int]:
    """The text under a codec and the number of places that do not fit; a cut last character is left out."""
    text = codecs.getincrementaldecoder(codec)("replace").decode(judged)
    written = judged.count("\ufffd".encode(codec)) if codec != "cp1252" else 0
    return text, text.count("\ufffd") - written
