"""How checks look at a text: columns as lists, and a normalised view that remembers where it came from."""

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

WORD = re.compile(r"\w+(?:[-'’]\w+)*")
HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
HAN_OR_WORD = re.compile(rf"[{HAN}]|[^\W{HAN}]+")
CONTEXT_LIMIT = 24
CACHED_CHARS = 2000


@dataclass(frozen=True, slots=True)
class View:
    """A normalised text; `origins[i]` is the character of the original that made character `i`."""

    text: str
    origins: Sequence[int]

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The half-open range of the original behind a non-empty range of the view."""
        return self.origins[start], self.origins[end - 1] + 1


def view_of(text: str) -> View:
    """NFKC and lower case, character by character so that every position can be traced back."""
    if text.isascii():
        return View(text.lower(), range(len(text)))
    pieces = [_normalised(character) for character in text]
    origins = [index for index, piece in enumerate(pieces) for _ in piece]
    return View("".join(pieces), origins)


@cache
def _normalised(character: str) -> str:
    piece = unicodedata.normalize("NFKC", character).lower()
    # NFKC writes one and a half as 11/2: a space keeps the whole number apart.
    return f" {piece}" if "⁄" in piece and len(piece) > 1 else piece


def language_of(locale: str) -> str:
    """The language part of a locale: `zh` of `zh-Hans`."""
    return locale.partition("-")[0]


def is_chinese(locale: str) -> bool:
    """Whether texts of the locale are counted in characters, not words."""
    return language_of(locale) == "zh"


def words_of(text: str, locale: str) -> Sequence[str]:
    """Lower-cased words; in Chinese every Han character is one."""
    chinese = is_chinese(locale)
    return _cached_words(text, chinese) if len(text) <= CACHED_CHARS else _words(text, chinese)


def _words(text: str, chinese: bool) -> tuple[str, ...]:  # noqa: FBT001 -- a key of the cache
    return tuple((HAN_OR_WORD if chinese else WORD).findall(text.lower()))


# Several checks read the same texts one after the other; long texts are left out to bound the memory.
_cached_words = lru_cache(maxsize=4096)(_words)


def strings(batch: pa.RecordBatch, column: str) -> list[str]:
    """One column as a list."""
    values: list[str] = batch.column(column).to_pylist()
    return values


def attributes_of(batch: pa.RecordBatch, rows: Sequence[int]) -> list[list[tuple[str, str]]]:
    """(name, value) pairs of the named rows; a null value counts as empty."""
    if not rows:
        return []
    chosen = batch.column("attributes").take(pa.array(rows, pa.int64()))
    pairs = chosen.flatten()
    names, values = pairs.field("name").to_pylist(), pairs.field("value").to_pylist()
    grouped, start = [], 0
    for length in pc.list_value_length(chosen).to_pylist():
        stop = start + (length or 0)
        grouped.append([(n or "", v or "") for n, v in zip(names[start:stop], values[start:stop], strict=True)])
        start = stop
    return grouped


def is_whole_word(text: str, start: int, end: int) -> bool:
    """Whether Latin letters and digits at the edges of a place are not part of a longer word."""
    inside = text[start], text[end - 1]
    around = text[start - 1 : start], text[end : end + 1]
    return not any(
        edge.isascii() and edge.isalnum() and beside.isascii() and beside.isalnum()
        for edge, beside in zip(inside, around, strict=True)
    )


def matching_rows(texts: pa.Array, pattern: str) -> list[int]:
    """Rows in which the RE2 pattern occurs; RE2 takes time linear in the text."""
    rows: list[int] = pc.indices_nonzero(pc.match_substring_regex(texts, pattern)).to_pylist()
    return rows


def shortened(text: str) -> str:
    """Evidence: one line, at most 24 characters."""
    line = " ".join(text.split())
    return line if len(line) <= CONTEXT_LIMIT else f"{line[: CONTEXT_LIMIT - 3]}..."


@cache
def data_file(name: str) -> Any:  # noqa: ANN401 -- each reader knows the shape of its own file
    """A JSON file shipped with the checks."""
    return json.loads((files("aigc_core.checks") / "data" / name).read_text("utf-8"))
