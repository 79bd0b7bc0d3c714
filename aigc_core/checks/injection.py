"""Instructions to a model inside an item's own data: found before a token is spent on them (TRUST 9.1, LLM01)."""

import html
import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import product
from typing import Any

import ahocorasick

from aigc_core.checks.views import data_file
from aigc_core.ids import fingerprint

TERMS = "injection_terms.json"
DISGUISED = "disguised words"
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
)
_TAGS = re.compile("[\U000e0020-\U000e007e]")
_GAP = re.compile(r"\[[^\]]*\]| \??")
_GAPS = {" ": r"[\W_]{1,4}", " ?": r"[\W_]{0,4}"}


def injection_in(strings: Iterable[str]) -> str | None:
    """The id of the first pattern found in an item's strings, or None.

    They are read as one text, so that what is split over neighbouring attributes is seen too, in two views: folded
    (width, case, unseen and tag characters, look-alike letters of other scripts, HTML entities) and as letters alone
    (signs between letters and digits for letters undone). Patterns are bounded: time is linear in the text.

    Args:
        strings: names and values in prompt order, within `sanitising.excess`.
    """
    rules = _rules()
    text = _folded("\n".join(strings), rules)
    letters = text.translate(rules.ascii_letters if text.isascii() else rules.letters)
    places = {place for _, found in rules.words.iter(letters) for place in found}
    for sign, place in rules.signs:
        if sign in text:
            places.add(place)
    for place in sorted(places):
        name, pattern = rules.patterns[place]
        if pattern is None or pattern.search(text):
            return str(name)
    return None


def lint_version() -> str:
    """Of the wording that is looked for."""
    return f"1-{fingerprint(data_file(TERMS), length=8)}"


class _Letters(dict[int, str | None]):
    """What a character is among letters alone; learnt as characters come."""

    def __init__(self, leet: Mapping[str, str]) -> None:
        super().__init__({ord(sign): letter for sign, letter in leet.items()})

    def __missing__(self, code: int) -> str | None:
        self[code] = chr(code) if chr(code).isalpha() else None
        return self[code]


class _Rules:
    def __init__(self, terms: Mapping[str, Any]) -> None:
        self.homoglyphs = str.maketrans(terms["homoglyphs"])
        self.look_alikes = re.compile(f"[{''.join(terms['homoglyphs'])}]")
        self.letters = _Letters(terms["leet"])
        # Looked up beforehand: with ASCII for ASCII `str.translate` does not ask the table.
        self.ascii_letters = {code: self.letters[code] for code in range(128)}
        self.patterns: list[tuple[str, re.Pattern[str] | None]] = [
            (one["id"], _compiled(one["pattern"])) for one in terms["patterns"]
        ]
        self.signs = [(sign, place) for place, one in enumerate(terms["patterns"]) for sign in one["signs"]]
        gates: dict[str, set[int]] = {}
        for place, one in enumerate(terms["patterns"]):
            for word in one["words"]:
                gates.setdefault(word, set()).add(place)
        # Letters alone that spell an order out need no pattern to confirm them.
        for literal in {"".join(parts) for lists in terms["run_together"] for parts in product(*lists)}:
            gates.setdefault(literal, set()).add(len(self.patterns))
        self.patterns.append((DISGUISED, None))
        self.words = ahocorasick.Automaton()
        for word, places in gates.items():
            self.words.add_word(word, tuple(sorted(places)))
        self.words.make_automaton()


@cache
def _rules() -> _Rules:
    return _Rules(data_file(TERMS))


def _compiled(pattern: str) -> re.Pattern[str]:
    """A space outside of a class is a gap: up to four signs that are no letters."""
    return re.compile(_GAP.sub(lambda hit: _GAPS.get(hit.group(), hit.group()), pattern), re.MULTILINE)


def _folded(text: str, rules: _Rules) -> str:
    if not text.isascii():
        if _UNSEEN.search(text):
            text = _UNSEEN.sub("", _TAGS.sub(lambda hit: chr(ord(hit.group()) - 0xE0000), text))
        text = unicodedata.normalize("NFKC", text)
    if "&" in text:
        text = html.unescape(text)
    text = text.lower()
    return text.translate(rules.homoglyphs) if rules.look_alikes.search(text) else text
