"""Gopher quality rules for long texts of a corpus: prose, not lists of symbols. Copy of 30 words is left alone."""

import re
from collections.abc import Sequence
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from aigc_core.checks.base import CheckResult, Finding, ParameterCheck
from aigc_core.checks.views import HAN, is_chinese, language_of, strings, words_of
from aigc_core.contracts.strict import Strict

MOST_WORDS = 100_000
MEAN_WORD = (3.0, 10.0)
SYMBOL_SHARE = 0.10
ALPHABETIC_SHARE = 0.80
BULLET_SHARE, ELLIPSIS_SHARE = 0.90, 0.30
STOP_WORDS = frozenset(("the", "be", "to", "of", "and", "that", "have", "with"))
LEAST_STOP_WORDS = 2
"""Rae et al. 2021 (Gopher), section A.1.1; lower word limit: `DocumentParameters.words`."""
STOP_HAN = re.compile("[的了是在和有与不也就都而及着或一这]")
PROSE_HAN = 0.60
"""Least share of Han characters and letters among the signs of a Chinese text that are no space."""
HAN_A_WORD = 2
"""TRUST Q-L1 counts 100 Han characters where it counts 50 words."""
SYMBOL = re.compile(r"#|\.\.\.|…")
LETTER = re.compile(r"[^\W\d_]")
BULLET = re.compile(r"^\s*(?:[-*+•‣●○■▪·–—►✓✔★]|\d{1,3}[.)、])\s*")
HAN_OR_LETTERS = re.compile(rf"[{HAN}A-Za-z]+")
Language = Literal["en", "zh", "other"]


class DocumentParameters(Strict):
    """From which length a text is a document."""

    words: int = Field(50, ge=10, le=10_000)
    """Words; twice as many characters in Chinese."""


class DocumentQuality(ParameterCheck[DocumentParameters]):
    """Q-G: a long text that is no prose holds.

    English and other spaced languages: at most 100,000 words, mean length 3 to 10, at most one symbol in ten words,
    letters in four of five words, bullets on at most nine of ten lines, ellipses at the end of at most three; in
    English two different stop words. Chinese: the same but for word lengths, two stop characters, and six in ten signs
    are Han characters or letters.
    """

    check_id = "Q-G"
    version = "1"

    def __call__(self, batch: pa.RecordBatch) -> CheckResult:
        """Judge each long text; the first rule broken is named."""
        # n words with a space between each have at least 2n - 1 characters.
        long_enough = pc.greater_equal(pc.utf8_length(batch.column("text")), 2 * self.parameters.words - 1)
        texts, locales = strings(batch, "text"), strings(batch, "locale")
        found = []
        for row in pc.indices_nonzero(long_enough).to_pylist():
            words = words_of(texts[row], locales[row])
            if is_document(words, locales[row], self.parameters.words):
                broken = fault(texts[row], words, locales[row])
                if broken:
                    found.append(Finding(row=row, severity="quarantine", reason="is no prose", evidence=broken))
        return CheckResult(findings=found)


def is_document(words: Sequence[str], locale: str, least: int) -> bool:
    """Whether the text is long enough to be judged as one."""
    return len(words) >= least * (HAN_A_WORD if is_chinese(locale) else 1)


def fault(text: str, words: Sequence[str], locale: str) -> str:
    """The first Gopher rule the text breaks, in words; empty when it holds them all."""
    if len(words) > MOST_WORDS:
        return f"more than {MOST_WORDS} words"
    # Bullets and dashes that stand alone count as words there, as the rule splits at spaces.
    tokens = words if is_chinese(locale) else text.split()
    if len(SYMBOL.findall(text)) > SYMBOL_SHARE * len(tokens):
        return "too many symbols"
    lines = [line for line in text.splitlines() if line.strip()]
    if sum(BULLET.match(line) is not None for line in lines) > BULLET_SHARE * len(lines) and len(lines) > 1:
        return "nearly all lines are bullets"
    if sum(line.rstrip().endswith(("...", "…")) for line in lines) > ELLIPSIS_SHARE * len(lines):
        return "too many lines end in an ellipsis"
    return _chinese_fault(text) if is_chinese(locale) else _spaced_fault(tokens, words, locale)


def _spaced_fault(tokens: Sequence[str], words: Sequence[str], locale: str) -> str:
    if not MEAN_WORD[0] <= sum(map(len, words)) / len(words) <= MEAN_WORD[1]:
        return "words are too short or too long"
    if sum(LETTER.search(token) is not None for token in tokens) < ALPHABETIC_SHARE * len(tokens):
        return "too few words with letters"
    if language_of(locale) == "en" and len(STOP_WORDS.intersection(words)) < LEAST_STOP_WORDS:
        return "no running text"
    return ""


def _chinese_fault(text: str) -> str:
    signs, prose = len("".join(text.split())), sum(map(len, HAN_OR_LETTERS.findall(text)))
    if prose < PROSE_HAN * signs:
        return "too few words with letters"
    return "" if len(STOP_HAN.findall(text)) >= LEAST_STOP_WORDS else "no running text"
