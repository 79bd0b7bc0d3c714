"""Texts that say the same again and again: long ones by Gopher's shares, short ones by counting phrases."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from aigc_core.checks.base import CheckResult, Finding, NoParameters, ParameterCheck
from aigc_core.checks.views import is_chinese, shortened, strings, words_of
from aigc_core.contracts.strict import Strict

# Rae et al. 2021 (Gopher), table A1: n -> greatest share of the characters.
TOP_NGRAM = {2: 0.20, 3: 0.18, 4: 0.16}
ALL_NGRAMS = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}
LINES, LINE_CHARACTERS = 0.30, 0.20
LONG_WORDS, LONG_HAN = 50, 100
REPEATS = 3
PHRASE_WORDS, PHRASE_HAN = 4, 6
CROWDED_SHARE, CROWDED_FROM = 0.20, 20
WORDS = ("a", "an", "and", "the", "of", "in", "with", "at", "to", "for", "on", "is", "it", "or", "by")
# Function words crowd good texts too; they are not what a stuck generator repeats alone.
FUNCTION_WORDS = frozenset([*"的了是一在有和不", *WORDS])


def _is_long(words: Sequence[str], locale: str) -> bool:
    return len(words) >= (LONG_HAN if is_chinese(locale) else LONG_WORDS)


class LongRepetition(ParameterCheck[NoParameters]):
    """Q-L1: Gopher's repetition shares for texts from 50 words or 100 Han characters; holds the text."""

    check_id = "Q-L1"
    version = "1"

    def __call__(self, batch: pa.RecordBatch) -> CheckResult:
        """Judge each long text; the first share exceeded is named."""
        found = []
        # 50 words with a space between each have at least 99 characters.
        long_enough = pc.indices_nonzero(pc.greater_equal(pc.utf8_length(batch.column("text")), 2 * LONG_WORDS - 1))
        texts, locales = strings(batch, "text"), strings(batch, "locale")
        for row in long_enough.to_pylist():
            words = words_of(texts[row], locales[row])
            evidence = _gopher(texts[row], words) if _is_long(words, locales[row]) else ""
            if evidence:
                found.append(Finding(row=row, severity="quarantine", reason="repeats itself", evidence=evidence))
        return CheckResult(findings=found)


def _gopher(text: str, words: Sequence[str]) -> str:
    """The first share above its limit, in words; empty when none is."""
    for name, pieces in (("lines", re.split(r"\n+", text)), ("paragraphs", re.split(r"\n{2,}", text))):
        if len(pieces) > 1 and _pieces_repeat(pieces, len(text)):
            return f"repeated {name}"
    total = sum(map(len, words))
    pairs, longest = Counter(pairwise(words)), max(map(len, words))
    again, most = len(words) - 1 - len(pairs), max(pairs.values())
    for n, limit in TOP_NGRAM.items():
        # A phrase of n words said c times holds pairs said c times, and leaves (c - 1)(n - 1) repeated ones.
        if min(again / (n - 1) + 1, most) * n * longest > limit * total and _top_share(words, n, total) > limit:
            return f"one {n}-gram over {limit:.0%}"
    fives = len(words) - 4 - len(set(_ngrams(words, 5)))
    for n, limit in ALL_NGRAMS.items():
        # Each phrase of n words said again holds n - 4 phrases of five said again.
        if fives * n / (n - 4) * longest > limit * total and _duplicate_share(words, n, total) > limit:
            return f"repeated {n}-grams over {limit:.0%}"
    return ""


def _repeated_pairs(words: Sequence[str]) -> int:
    return max(len(words) - 1, 0) - len(set(pairwise(words)))


def _pieces_repeat(pieces: Sequence[str], characters: int) -> bool:
    again = [piece for piece, count in Counter(pieces).items() for _ in range(count - 1)]
    return len(again) > LINES * len(pieces) or sum(map(len, again)) > LINE_CHARACTERS * characters


def _ngrams(words: Sequence[str], n: int) -> Iterable[tuple[str, ...]]:
    return zip(*(words[start:] for start in range(n)), strict=False)


def _top_share(words: Sequence[str], n: int, total: int) -> float:
    counts = Counter(_ngrams(words, n))
    if not counts:
        return 0.0
    gram, count = max(counts.items(), key=lambda item: (item[1], sum(map(len, item[0]))))
    return count * sum(map(len, gram)) / total if count > 1 else 0.0


def _duplicate_share(words: Sequence[str], n: int, total: int) -> float:
    seen: set[tuple[str, ...]] = set()
    index = repeated = 0
    while index <= len(words) - n:
        gram = tuple(words[index : index + n])
        if gram in seen:
            repeated += sum(map(len, gram))
            index += n
        else:
            seen.add(gram)
            index += 1
    return repeated / total


class ShortRepetition(ParameterCheck[NoParameters]):
    """Q-L1b: in shorter texts a phrase said three times, or one word on a fifth of the text, blocks."""

    check_id = "Q-L1b"
    version = "1"

    def __call__(self, batch: pa.RecordBatch) -> CheckResult:
        """Phrases are 4 words, in Chinese 6 characters."""
        found = []
        for row, (text, locale) in enumerate(zip(strings(batch, "text"), strings(batch, "locale"), strict=True)):
            words = words_of(text, locale)
            if not _is_long(words, locale):
                found += _short_findings(row, words, PHRASE_HAN if is_chinese(locale) else PHRASE_WORDS)
        return CheckResult(findings=found)


def _short_findings(row: int, words: Sequence[str], n: int) -> list[Finding]:
    if _repeated_pairs(words) >= (REPEATS - 1) * (n - 1):
        gram, count = Counter(_ngrams(words, n)).most_common(1)[0]
        if count >= REPEATS:
            evidence = shortened(("" if n == PHRASE_HAN else " ").join(gram))
            return [Finding(row=row, severity="block", reason="repeats a phrase", evidence=evidence)]
    limit = CROWDED_SHARE * len(words)
    if len(words) < CROWDED_FROM or len(words) - len(set(words)) < limit:
        return []
    word, count = next(
        ((w, c) for w, c in Counter(words).most_common(len(FUNCTION_WORDS) + 1) if w not in FUNCTION_WORDS),
        ("", 0),
    )
    if count > limit + 1e-9:
        return [Finding(row=row, severity="block", reason="repeats a word", evidence=shortened(word))]
    return []


class DistinctParameters(Strict):
    """Q-L2."""

    warn_below: float = Field(0.60, ge=0, le=1)
    """Share of distinct word pairs under which a text is flagged."""


class Distinct(ParameterCheck[DistinctParameters]):
    """Q-L2: distinct word pairs over all word pairs (Li et al. 2016, distinct-2); a low share warns."""

    check_id = "Q-L2"
    version = "1"
    score_columns = ("distinct_2",)

    def __call__(self, batch: pa.RecordBatch) -> CheckResult:
        """Score in (0, 1]; 1 for texts of fewer than two words."""
        scores = [
            _distinct_2(words_of(text, locale))
            for text, locale in zip(strings(batch, "text"), strings(batch, "locale"), strict=True)
        ]
        found = [
            Finding(row=row, severity="warn", reason="few distinct phrases", evidence=f"{score:.2f}")
            for row, score in enumerate(scores)
            if score < self.parameters.warn_below
        ]
        return CheckResult(findings=found, scores={"distinct_2": scores})


def _distinct_2(words: Sequence[str]) -> float:
    pairs = len(words) - 1
    return len(set(pairwise(words))) / pairs if pairs > 0 else 1.0
