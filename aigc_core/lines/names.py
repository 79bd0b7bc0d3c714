"""What the name of a source's column says: a safe name for it, a label for people, and what it is likely for."""

import json
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

LONGEST = 40
_LIGATURES = str.maketrans({"ß": "ss", "æ": "ae", "Æ": "Ae", "ø": "o", "Ø": "O", "œ": "oe", "ł": "l", "đ": "d"})
"""Letters that no normal form takes apart."""
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_BRACKETED = re.compile(r"[(\[（].{0,120}?[)\]）]")
_LOCALE = re.compile(r"^(?P<stem>.+?)[ _.\-(\[]+(?P<locale>[a-z]{2}|[A-Z]{2})(?:[-_](?:[A-Z]{2}|[a-z]{2}))?[)\]]?$")


@cache
def word_list(name: str) -> Any:  # noqa: ANN401 -- each reader knows the shape of its own list
    """One list of `data/words.json`: words, or words with what they stand for or how much they say."""
    return json.loads((files("aigc_core.lines") / "data" / "words.json").read_text("utf-8"))[name]


def words_of(name: str) -> list[str]:
    """The words of a column's name, lower case, without accents, `camelCase` taken apart; Chinese names translated."""
    known = word_list("chinese").get(name.strip().lower())
    plain = unicodedata.normalize("NFKD", (known or _BRACKETED.sub(" ", name) or name).translate(_LIGATURES))
    return [word.lower() for word in _WORDS.findall("".join(c for c in plain if not unicodedata.combining(c)))]


def safe_name(name: str, taken: Collection[str], *, place: int) -> str:
    """A name SQL takes without quotes: snake case, ASCII, at most 40 characters, not taken.

    Args:
        name: the column's name in the source.
        taken: names used already.
        place: where the column stands, from 1; names a column whose name has no Latin letter.
    """
    words = [word_list("spelt").get(word, word) for word in words_of(name)]
    made = "_".join(words)[:LONGEST].strip("_") or f"column_{place}"
    made = f"column_{made}" if made[0].isdigit() else made
    unique, count = made, 2
    while unique in taken:
        unique, count = f"{made[: LONGEST - 3]}_{count}", count + 1
    return unique


def label_of(name: str) -> str:
    """The column's name as a prompt shows it: without what stands in brackets or before a slash."""
    short = _BRACKETED.sub(" ", name).rsplit("/", 1)[-1]
    return " ".join(short.replace("_", " ").split()) or name


def locale_in(name: str) -> tuple[str, str]:
    """A name without its language, and the language: `text_en` gives `text`, `en`; empty where it names none."""
    found = _LOCALE.match(name.strip())
    language = found["locale"].lower() if found else ""
    if not found or language not in word_list("languages"):
        return name, ""
    return found["stem"].lower(), "zh" if language == "cn" else language


def text_rank(name: str) -> int:
    """How much the name says that the column holds the text; below 0 when it says otherwise."""
    words = words_of(locale_in(name)[0])
    return -5 if set(words) & set(word_list("not_text")) else _most(word_list("text"), words)


def key_rank(name: str) -> int:
    """How much the name says that the column names an item."""
    words = words_of(name)
    return max(_most(word_list("key"), ["_".join(words)]), _most(word_list("key_parts"), words[-1:]))


def name_rank(name: str) -> int:
    """How much the name says that the column holds the item's name: best where it says nothing else."""
    return _rank(word_list("name"), name)


def category_rank(name: str) -> int:
    """How much the name says that the column holds the item's category."""
    return _rank(word_list("category"), name)


def seller_rank(name: str) -> int:
    """How much the name says that the column holds who sells or makes the item."""
    return _rank(word_list("seller"), name)


def is_bookkeeping(name: str) -> bool:
    """Whether the name says that the column is about the shop's business and not about the product."""
    return bool(set(words_of(name)) & set(word_list("bookkeeping")))


def prompt_place(name: str) -> int:
    """Sorts attributes as English asks for: the name and the kind first, then what it is made of and looks like."""
    first: list[str] = word_list("first")
    words = [word_list("spelt").get(word, word) for word in words_of(name)]
    return min((first.index(word) for word in words if word in first), default=len(first))


def _rank(known: Mapping[str, int], name: str) -> int:
    words = words_of(name)
    found = _most(known, words)
    return 0 if not found or set(words) & (set(word_list("bookkeeping")) - set(known)) else 10 * found - 8 * len(words)


def _most(known: Mapping[str, int], words: Iterable[str]) -> int:
    return max((known.get(word, 0) for word in words), default=0)
