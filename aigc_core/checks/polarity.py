"""Q-F7: a text may not affirm what the data denies, nor deny what the data affirms."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from aigc_core.checks.base import CheckResult, Finding, NoParameters, ParameterCheck
from aigc_core.checks.views import View, attributes_of, matching_rows, view_of

YES = frozenset({"yes", "true", "included", "是", "有", "带", "含"})
NO = frozenset({"no", "false", "none", "not included", "否", "无", "没有", "不含", "不带", "不是"})
NEGATIVE = r"(?i)\b(?:no|not|non|without|free|lacks?|never)\b|n't\b|无|不含|没有|不带|免"
"""What may deny something, as RE2 reads it: a first look at texts and values."""
DENIED_VALUE = re.compile(
    r"\b(?:without|free of|free from|no)\s+(?:an?\s+|any\s+)?(?P<after>[a-z][a-z -]{2,30}?)\s*(?:$|[,;.])"
    r"|\b(?P<before>[a-z]{3,20})[- ]free\b"
    r"|(?:不含|不带|没有|无)(?P<han>[\u4e00-\u9fff]{2,6})"
)
MOST_WORDS = 4
"""A longer value is a sentence, not a thing."""
ENGLISH_BEFORE = re.compile(
    r"(?:\b(?:no|without|free of|free from|lacks?|non|never|not)|n't)[\s-]+(?:an?\s+|any\s+|the\s+)?$"
)
ENGLISH_FREE = re.compile(r"s?[- ]free\b")
ENGLISH_SOMEWHERE = re.compile(r"(?:\b(?:no|not|non|none|without|never|lacks?|free of|free from)\b|n't)[^.;!?]*$")
"""Before a thing, in its sentence: not considered to be family friendly."""
ENGLISH_LISTED = re.compile(r"s?\s*[:=]?\s*(?:no|not|none|false)\b")
"""Behind a thing, as a list of facts says it: lid: no."""
ENGLISH_ENDS = re.compile(r"s?\s*(?:$|[.,;:!?)]|\b(?:and|or|but|for|with|to|in|on|at|is|are)\b)")
CHINESE_BEFORE = re.compile(r"(?:不含|不带|没有|无|未|(?<!避)免|零)(?:任何)?$")
CHINESE_AFTER = re.compile(r"\s*[:：]?\s*(?:无|否|没有|不)")
CHINESE_ENDS = re.compile(r"\W|$")
SCOPE = 40
"""Characters before a thing in which its denial stands."""


@dataclass(frozen=True, slots=True)
class Thing:
    """Something the data affirms or denies, as a normalised word or phrase."""

    words: str
    affirmed: bool


class Polarity(ParameterCheck[NoParameters]):
    """Q-F7: a text that affirms what an attribute denies, or denies what one affirms, blocks.

    An attribute denies a thing by its value (`hood: no`, `without pockets`, `BPA-free`, `不含酒精`) and affirms one by
    `yes` or by naming it. A thing that is affirmed is only denied by a negation directly before or behind it.
    """

    check_id = "Q-F7"
    version = "1"

    def __call__(self, batch: pa.RecordBatch) -> CheckResult:
        """Look closely only where a text negates something, or an attribute does."""
        rows = sorted({*matching_rows(batch.column("text"), NEGATIVE), *_denying_rows(batch)})
        found: list[Finding] = []
        for row, pairs in zip(rows, attributes_of(batch, rows), strict=True):
            view = view_of(batch.column("text")[row].as_py())
            for thing in things_of(tuple(pairs)):
                found += _findings(row, view, thing)
        return CheckResult(findings=found)


@lru_cache(maxsize=4096)
def things_of(pairs: tuple[tuple[str, str], ...]) -> tuple[Thing, ...]:
    """What an item's attributes affirm and deny; what is denied anywhere is not affirmed elsewhere."""
    affirmed, denied = set[str](), set[str]()
    for name, value in ((view_of(name).text.strip(), view_of(value).text.strip()) for name, value in pairs):
        if value in YES | NO:
            (affirmed if value in YES else denied).add(name.replace("_", " "))
            continue
        refused = {word.strip() for hit in DENIED_VALUE.finditer(value) for word in hit.groups() if word}
        denied |= refused
        if not refused and _names_a_thing(value):
            affirmed.add(value)
    things = [Thing(words, affirmed=True) for words in sorted(affirmed - denied) if _is_long_enough(words)]
    return (*things, *(Thing(words, affirmed=False) for words in sorted(denied) if _is_long_enough(words)))


def _names_a_thing(value: str) -> bool:
    return len(value.split()) <= MOST_WORDS and not any(sign.isdigit() for sign in value)


def _is_long_enough(words: str) -> bool:
    return len(words) >= (3 if words.isascii() else 2)


def _findings(row: int, view: View, thing: Thing) -> Iterator[Finding]:
    places = [place for place in _places(view.text, thing.words) if _contradicts(view.text, place, thing)]
    if places:
        said = "denies" if thing.affirmed else "affirms"
        told = "affirms" if thing.affirmed else "denies"
        spans = tuple(view.original(start, end) for start, end in places[:20])
        reason = f"{said} what an attribute {told}"
        yield Finding(row=row, severity="block", reason=reason, spans=spans, evidence=thing.words[:40])


def _places(text: str, words: str) -> list[tuple[int, int]]:
    pattern = rf"\b{re.escape(words)}(?=s?\b)" if words.isascii() else re.escape(words)
    return [hit.span() for hit in re.finditer(pattern, text)]


def _contradicts(text: str, place: tuple[int, int], thing: Thing) -> bool:
    start, end = place
    before, after = text[max(start - SCOPE, 0) : start], text[end : end + SCOPE]
    if not thing.words.isascii():
        negated = CHINESE_BEFORE.search(before) is not None
        # As below: 没有衬衫的严肃 denies a severity, no shirt.
        if thing.affirmed:
            return negated and CHINESE_ENDS.match(after) is not None
        return not negated and CHINESE_AFTER.match(after) is None
    freed = ENGLISH_FREE.match(after) is not None
    if thing.affirmed:
        # "No leather smell" denies a smell: the thing itself must end there.
        return freed or (ENGLISH_BEFORE.search(before) is not None and ENGLISH_ENDS.match(after) is not None)
    return not (freed or ENGLISH_SOMEWHERE.search(before) or ENGLISH_LISTED.match(after))


def _denying_rows(batch: pa.RecordBatch) -> list[int]:
    """Rows of which some attribute denies something."""
    column = batch.column("attributes")
    values = pc.struct_field(column.flatten(), "value")
    short = pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(values)), value_set=pa.array(sorted(NO)))
    denying = pc.or_kleene(pc.match_substring_regex(values, NEGATIVE), short)
    parents = pc.list_parent_indices(column).filter(denying)
    rows: list[int] = parents.unique().to_pylist()
    return rows
