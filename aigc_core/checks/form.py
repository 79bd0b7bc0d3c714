"""The outer form of a text: length, ending, placeholders, markup, spreadsheet formulas."""

import re
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from aigc_core.checks.base import CheckResult, Finding, NoParameters, ParameterCheck
from aigc_core.checks.views import language_of, matching_rows, shortened, strings
from aigc_core.contracts.strict import Locale, Strict


class Limit(Strict):
    """Bounds in characters, spaces around the text left out; both inclusive."""

    min_chars: int = Field(1, ge=1)
    max_chars: int = Field(2000, ge=1, le=20_000)
    soft_min_chars: int = Field(0, ge=0)
    """Shorter texts are published with a warning; 0 switches it off."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_chars > self.max_chars:
            raise ValueError(f"min_chars {self.min_chars} is above max_chars {self.max_chars}")
        return self


DEFAULT_LIMITS = {"en": Limit(min_chars=12, max_chars=1200), "zh": Limit(min_chars=8, max_chars=600)}


class LengthParameters(Strict):
    """Q-L7."""

    limits: dict[Locale, Limit] = Field(default_factory=dict)
    """Per locale or language; en 12 to 1200 and zh 8 to 600 characters where not named, others 1 to 2000."""

    def limit_of(self, locale: str) -> Limit:
        """The bounds in force for a locale."""
        language = language_of(locale)
        return self.limits.get(locale) or self.limits.get(language) or DEFAULT_LIMITS.get(language) or Limit()


class Length(ParameterCheck[LengthParameters]):
    """Q-L7: outside the hard bounds blocks, under the soft one warns."""

    check_id = "Q-L7"
    version = "1"

    def __call__(self, batch: pa.RecordBatch) -> CheckResult:
        """Count characters, not bytes."""
        lengths = pc.utf8_length(pc.utf8_trim_whitespace(batch.column("text"))).to_pylist()
        limits = {locale: self.parameters.limit_of(locale) for locale in set(strings(batch, "locale"))}
        found = []
        for row, (length, locale) in enumerate(zip(lengths, strings(batch, "locale"), strict=True)):
            limit = limits[locale]
            if not max(limit.min_chars, limit.soft_min_chars) <= length <= limit.max_chars:
                found.append(_length_finding(row, length, limit))
        return CheckResult(findings=found)


def _length_finding(row: int, length: int, limit: Limit) -> Finding:
    evidence = f"{length} characters"
    if length > limit.max_chars:
        return Finding(row=row, severity="block", reason="too long", evidence=evidence)
    if length < limit.min_chars:
        return Finding(row=row, severity="block", reason="too short", evidence=evidence)
    return Finding(row=row, severity="warn", reason="shorter than wished", evidence=evidence)


UNFINISHED = {"length": "truncated", "loop": "stopped in a loop"}
ENDED = r"[.!?。！？…)）\]】」』》\"”’'~～]\s*$"
PAIRS = ((r"[(（]", r"[)）]"), (r"[\[【]", r"[\]】]"), ("“", "”"), ("[「『]", "[」』]"), ("《", "》"))


class Truncation(ParameterCheck[NoParameters]):
    """Q-L5: an engine that did not stop by itself blocks; a missing end or an open bracket holds the text."""

    check_id = "Q-L5"
    version = "1"

    def __call__(self, batch: pa.RecordBatch) -> CheckResult:
        """Look at the finish reason, the last character and the number of brackets and quotes."""
        texts = batch.column("text")
        found = [
            Finding(row=row, severity="block", reason=UNFINISHED.get(reason, "the engine failed"))
            for row, reason in enumerate(strings(batch, "finish_reason"))
            if reason != "stop"
        ]
        no_end = pc.invert(pc.match_substring_regex(texts, ENDED))
        for row in pc.indices_nonzero(no_end).to_pylist():
            length = len(texts[row].as_py())
            span = ((max(length - 1, 0), length),)
            found.append(Finding(row=row, severity="quarantine", reason="no end of sentence", spans=span))
        found += [
            Finding(row=row, severity="quarantine", reason="unbalanced brackets or quotes")
            for row in pc.indices_nonzero(_unbalanced(texts)).to_pylist()
        ]
        return CheckResult(findings=found)


def _unbalanced(texts: pa.Array) -> pa.Array:
    # A quote after a digit may be the sign for inches: either reading may be the balanced one.
    quotes, inches = pc.count_substring(texts, '"'), pc.count_substring_regex(texts, '[0-9]"')
    one_open = pc.and_(_is_odd(quotes), _is_odd(pc.subtract(quotes, inches)))
    for opening, closing in PAIRS:
        opened, closed = (pc.count_substring_regex(texts, signs) for signs in (opening, closing))
        inches = pc.count_substring_regex(texts, "[0-9]”") if closing == "”" else 0
        even = pc.or_(pc.equal(opened, closed), pc.equal(opened, pc.subtract(closed, inches)))
        one_open = pc.or_(one_open, pc.invert(even))
    return one_open


def _is_odd(counts: pa.Array) -> pa.Array:
    return pc.not_equal(pc.bit_wise_and(counts, 1), 0)


# `None of ...` and a mere `此处` are ordinary words, so they count only where nothing else is meant.
PLACEHOLDERS = (
    r"\{\{|\}\}|\$\{|<%|%>|\{[A-Za-z_]{2,40}\}|\[(?:INSERT|TODO|BRAND|PRODUCT|NAME)[^\]\n]{0,60}\]"
    r"|\b(?:lorem ipsum|undefined|null|NaN|N/A|TBD|TODO|XXX+|Lorem ipsum)\b|\bNone\b"
    r"|此处(?:填|插入|输入|添加|省略|为)|待补充|待填写|占位符?|示例文本|【[^】\n]{0,40}(?:填写|名称|品牌)[^】\n]{0,40}】"
)
ORDINARY_NONE = re.compile(r"None (?:of|other|too|the)\b")


class PlaceholderParameters(Strict):
    """Q-L8."""

    extra: tuple[str, ...] = Field(("<UNK>", "BRAND"), max_length=100)
    """Further marks, taken literally and in this case; Latin ones as whole words."""


class Placeholders(ParameterCheck[PlaceholderParameters]):
    """Q-L8: what a template or a corpus left unfilled blocks."""

    check_id = "Q-L8"
    version = "1"

    def __init__(self, parameters: PlaceholderParameters) -> None:
        super().__init__(parameters)
        extra = [_whole(mark) for mark in parameters.extra if mark]
        self._pattern = "|".join([PLACEHOLDERS, *extra])
        self._finder = re.compile(self._pattern, re.ASCII)

    def __call__(self, batch: pa.RecordBatch) -> CheckResult:
        """Search one combined pattern."""
        texts = batch.column("text")
        found = []
        for row in matching_rows(texts, self._pattern):
            text = texts[row].as_py()
            hits = [hit for hit in self._finder.finditer(text) if not ORDINARY_NONE.match(text, hit.start())]
            if hits:
                spans = tuple(hit.span() for hit in hits)
                evidence = shortened(hits[0].group())
                found.append(Finding(row=row, severity="block", reason="placeholder", spans=spans, evidence=evidence))
        return CheckResult(findings=found)


def _whole(mark: str) -> str:
    quoted = re.escape(mark)
    first = r"\b" if mark[0].isascii() and mark[0].isalnum() else ""
    last = r"\b" if mark[-1].isascii() and mark[-1].isalnum() else ""
    return f"{first}{quoted}{last}"


# A bare `data:` is ordinary prose (`Technical data: ...`): only the start of a data address counts.
MARKUP = (
    r"<[A-Za-z!/]|[jJ]ava[sS]cript:|data:[a-z]+/[a-z]|!?\[[^\]\n]{0,200}\]\([^)\n]{0,400}\)"
    r"|\*\*[^*\n]{1,200}\*\*|```|&(?:[a-zA-Z]{2,8}|#[0-9]{1,6});"
)
HIDDEN_RANGES = (
    (0x00, 0x08), (0x0B, 0x0C), (0x0E, 0x1F), (0x7F, 0x9F), (0x200B, 0x200F), (0x202A, 0x202E),
    (0x2060, 0x2060), (0x2066, 0x2069), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xE000, 0xF8FF),
    (0xFFFD, 0xFFFD), (0xE0000, 0xE007F), (0xE0100, 0xE01EF), (0xF0000, 0x10FFFD),
)  # fmt: skip
"""Control, bidirectional, zero-width, variation, tag, private-use characters; tab and line end are allowed."""
HIDDEN_RE2 = "[" + "".join(rf"\x{{{low:x}}}-\x{{{high:x}}}" for low, high in HIDDEN_RANGES) + "]"
HIDDEN = re.compile("[" + "".join(f"{re.escape(chr(low))}-{re.escape(chr(high))}" for low, high in HIDDEN_RANGES) + "]")


class Markup(ParameterCheck[NoParameters]):
    """Q-L10: markup and characters that cannot be seen block."""

    check_id = "Q-L10"
    version = "1"

    def __call__(self, batch: pa.RecordBatch) -> CheckResult:
        """Search for markup first, then for hidden characters."""
        texts = batch.column("text")
        found = [_first_hit(texts, row, re.compile(MARKUP), "markup") for row in matching_rows(texts, MARKUP)]
        found += [_first_hit(texts, row, HIDDEN, "hidden character") for row in matching_rows(texts, HIDDEN_RE2)]
        return CheckResult(findings=found)


def _first_hit(texts: pa.Array, row: int, finder: re.Pattern[str], reason: str) -> Finding:
    hits = tuple(hit.span() for hit in finder.finditer(texts[row].as_py()))
    start, end = hits[0]
    seen = texts[row].as_py()[start:end]
    evidence = shortened(seen) if seen.isprintable() else f"U+{ord(seen[0]):04X}"
    return Finding(row=row, severity="block", reason=reason, spans=hits[:100], evidence=evidence)


class FormulaStart(ParameterCheck[NoParameters]):
    """Q-L13: a first character that spreadsheets read as a formula; exports neutralise it, so it warns."""

    check_id = "Q-L13"
    version = "1"

    def __call__(self, batch: pa.RecordBatch) -> CheckResult:
        """Look at the first character that is no space."""
        found = []
        texts = batch.column("text")
        for row in matching_rows(texts, r"^\s*[=+\-@＝＋－＠]"):
            text = texts[row].as_py()
            start = len(text) - len(text.lstrip())
            span = ((start, start + 1),)
            found.append(
                Finding(row=row, severity="warn", reason="starts like a formula", spans=span, evidence=text[start])
            )
        return CheckResult(findings=found)
