"""What cleaning does to one text at a time. Each function, applied twice, does what it does once."""

import re
import unicodedata
from collections.abc import Collection, Sequence
from typing import Literal

import ftfy
from ftfy.badness import is_bad

_CODECS = ("latin-1", "cp1252", "cp1251", "cp1250", "cp1253", "cp1254", "cp1257", "iso8859-2", "mac_roman", "cp437")
"""Those in which ftfy knows UTF-8 to be misread."""
_NOTHING_LOST = ftfy.TextFixerConfig(replace_lossy_sequences=False)
"""Mojibake that lost bytes would be mended with U+FFFD: it stays as it came."""
_WITH_STYLE = ftfy.TextFixerConfig(replace_lossy_sequences=False, unescape_html=False, normalization=None)
_REMOVED = (
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"  # control characters that are no white space
    "\xad\u180e\u200b\u2060-\u2064\ufeff\ufff9-\ufffb"  # zero width
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction
    "\U000e0000-\U000e007f"  # tags
)
_CONTROLS = re.compile(f"[{_REMOVED}]+")
_JOINERS = re.compile("[\u200c\u200d]+")
_ASCII_SPACES = ("  ", "\n", "\t", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x1f", "~ ", " ~")
_WIDE_SPACES = (*"\xa0\u3000\x85\u1680\u2028\u2029\u202f\u205f", *map(chr, range(0x2000, 0x200B)))
_WORDS = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)*")
_SHOUTED = re.compile(r"[^\W\d_]{4}")
_DIGIT = re.compile(r"\d")
_ROUNDS = 4


def _misread(*spans: tuple[int, int]) -> str:
    """The characters that bytes of these spans become in any of the codecs, as the inside of a regex class."""
    single = bytes(byte for first, last in spans for byte in range(first, last + 1))
    found = {character for codec in _CODECS for character in single.decode(codec, "ignore")}
    return re.escape("".join(sorted(found - set(map(chr, range(0x80))))))


# UTF-8's lead bytes, then a continuation byte; where that was a no-break space, a plain one may have taken its place.
_GARBLED = re.compile(
    f"[{_misread((0xC2, 0xF4))}][{_misread((0x80, 0xBF))}\x80-\x9f]"
    f"|[{_misread((0xC2, 0xC3), (0xC5, 0xC5), (0xCE, 0xCE), (0xD0, 0xD0), (0xD9, 0xD9), (0xE2, 0xE3), (0xF0, 0xF0))}] "
    "|[\x80-\x9f]"
)


def maybe_garbled(text: str) -> bool:
    """Whether two characters stand side by side that could be one, read in the wrong encoding. Fast on clean text."""
    return not text.isascii() and _GARBLED.search(text) is not None


def mended(text: str) -> str:
    """Text without mojibake: `cafÃ©` is `café`. Text that does not look broken is returned as it is."""
    return ftfy.fix_encoding(text, _NOTHING_LOST) if maybe_garbled(text) and is_bad(text) else text


def restyled(text: str) -> str:
    """`mended`, and ftfy's other repairs: straight quotes, no ligatures, plain widths, no terminal escapes."""
    return ftfy.fix_text(text, _WITH_STYLE)


def normalised(text: str, form: Literal["NFC", "NFKC"]) -> str:
    """The text in a normal form of Unicode."""
    return text if text.isascii() else unicodedata.normalize(form, text)


def uncontrolled(text: str) -> str:
    """Without control, zero-width, direction and tag characters; joiners stay where emoji and scripts need them."""
    return _JOINERS.sub(_joiner, _CONTROLS.sub("", text))


def has_controls(text: str) -> bool:
    """Whether there is a character that `uncontrolled` may take out."""
    return _CONTROLS.search(text) is not None or _JOINERS.search(text) is not None


def _joiner(found: re.Match[str]) -> str:
    before, after = found.string[: found.start()][-1:], found.string[found.end() : found.end() + 1]
    return found[0][0] if before > "\u02ff" and after > "\u02ff" else ""


def has_odd_space(text: str) -> bool:
    """Whether there may be white space that `spaced` changes; `~` counts as an end of the text."""
    spaces = _ASCII_SPACES if text.isascii() else _ASCII_SPACES + _WIDE_SPACES
    return text[:1] == " " or text[-1:] == " " or any(space in text for space in spaces)


def spaced(text: str, *, keep_lines: bool = False) -> str:
    """Runs of white space, no-break and full-width ones too, as one space; nothing at either end.

    Args:
        keep_lines: line breaks stay, empty lines go.
    """
    if not keep_lines:
        return " ".join(text.split())
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def without_capitals(text: str, *, style: Literal["title", "sentence"], keep: Collection[str] = ()) -> str:
    """Text all in capitals as `Title Case` or `Sentence case`; other text, and that without a word of four, as it is.

    Words with a digit stay. `keep` lists words that stay capitals.
    """
    if not text.isupper() or not _SHOUTED.search(text):
        return text
    kept = frozenset(keep)
    first = True

    def lowered(found: re.Match[str]) -> str:
        nonlocal first
        word = found[0]
        if word in kept or not word.isupper() or _DIGIT.search(word):
            return word
        capital, first = first or style == "title", False
        return word[0] + word[1:].lower() if capital else word.lower()

    return _WORDS.sub(lowered, text)


def placeholder_parts(values: Sequence[str]) -> re.Pattern[str]:
    """Finds any of the values, longest first, in runs, with the space on either side."""
    one = "|".join(re.escape(value) for value in sorted(values, key=len, reverse=True))
    return re.compile(f"( ?)(?P<value>{one})(?: ?(?:{one}))*( ?)")


def removed(text: str, parts: re.Pattern[str]) -> str:
    """The text without the placeholders in it; one between two spaces leaves one space."""
    for _ in range(_ROUNDS):
        if not parts.search(text):
            return text
        text = parts.sub(_hole, text)
    return parts.sub(" ", text)


def folded(text: str) -> str:
    """What whole placeholders are compared by: without case and outer space."""
    return text.strip().casefold()


def _hole(found: re.Match[str]) -> str:
    before, after = found[1], found[found.re.groups]
    at_an_end = found.start() == 0 or found.end() == len(found.string)
    return "" if at_an_end else (before and after) or before + after
