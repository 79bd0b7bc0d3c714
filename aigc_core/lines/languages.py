"""Which languages a column is written in: by script where that decides, by letter statistics elsewhere."""

from collections import Counter
from collections.abc import Iterable, Iterator

import py3langid  # type: ignore[import-untyped, unused-ignore]
import regex

from aigc_core.contracts.profile import LanguageShare
from aigc_core.lines.names import word_list

UNKNOWN = "und"
LEAST_WORDS = 4
"""Letter statistics of fewer words say nothing."""
SURE_WORDS = 8
"""Shorter values in one script are told together, so many words at a time: names alone mislead the statistics."""
LEAST_SHARE = 0.03
"""Rarer languages of a sample are one value in thirty or fewer: noise of the classifier, not a finding."""
HAN_SHARE = 0.3
# Trade names and units in Latin letters are common in Chinese and Japanese copy.
_HAN = regex.compile(r"\p{Han}")
_KANA = regex.compile(r"[\p{Hiragana}\p{Katakana}]")
_HANGUL = regex.compile(r"\p{Hangul}")
_LETTER = regex.compile(r"\p{L}")
_WORD = regex.compile(r"\p{L}[\p{L}\p{M}'’-]*")
_TAG = regex.compile(r"<[^<>]*>")
_ENGLISH = regex.compile(r"(?i)\b(?:the|and|with|for|of|are|your|this|that|from|has)\b")


def language_of(text: str) -> str:
    """ISO 639-1 code of one value; `und` when it is too short to say."""
    plain = _TAG.sub(" ", text)
    letters = len(_LETTER.findall(plain))
    if not letters:
        return UNKNOWN
    if kana := len(_KANA.findall(plain)):
        return "ja" if kana >= 0.1 * letters else UNKNOWN
    if len(_HANGUL.findall(plain)) >= HAN_SHARE * letters:
        return "ko"
    han = len(_HAN.findall(plain))
    if han >= HAN_SHARE * letters:
        return "zh" if han >= LEAST_WORDS else UNKNOWN
    if len(_WORD.findall(plain)) < LEAST_WORDS:
        return UNKNOWN
    if len(_ENGLISH.findall(plain)) >= 2:
        return "en"
    told = str(py3langid.classify(plain)[0])
    # The classifier knows more languages, and finds the rarest in lists of trade names.
    return told if told in word_list("told") else UNKNOWN


def languages_of(texts: Iterable[str]) -> tuple[LanguageShare, ...]:
    """The languages of a sample with their shares, most frequent first; empty when no value says one."""
    found = Counter(language_of(text) for text in _told_together(texts))
    said = Counter({language: count for language, count in found.items() if language != UNKNOWN})
    total = said.total()
    return tuple(
        LanguageShare(language=language, share=round(count / total, 3))
        for language, count in said.most_common()
        if count >= LEAST_SHARE * total
    )


def _told_together(texts: Iterable[str]) -> Iterator[str]:
    waiting: list[str] = []
    words = 0
    for text in texts:
        count = len(_WORD.findall(text))
        if count >= SURE_WORDS or _HAN.search(text) or _KANA.search(text) or _HANGUL.search(text):
            yield text
            continue
        waiting.append(text)
        words += count
        if words >= 4 * SURE_WORDS:
            yield " . ".join(waiting)
            waiting, words = [], 0
    if words >= SURE_WORDS:
        yield " . ".join(waiting)
