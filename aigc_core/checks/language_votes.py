"""A second vote on the language of a corpus text, where counting characters and function words cannot tell."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from aigc_core.checks.language import ENGLISH, HAN
from aigc_core.checks.views import language_of

LEAST_CHARACTERS = 60
"""Shorter texts are not put to the vote: names and sizes decide it by chance."""
SURE = 0.90
"""Normalised probability from which the vote counts."""
FEW_ENGLISH = 2
"""English texts with at least so many function words are not put to the vote."""
TRADITIONAL_SHARE = 0.02
"""TRUST Q-L6: most traditional-only characters among the Han characters of a simplified text."""
SIMPLIFIED = frozenset({"zh-Hans", "zh-CN", "zh-SG"})


def other_languages(texts: pa.Array, locales: Sequence[str]) -> dict[int, str]:
    """Row -> why its text is not in the language of its locale, in words.

    Long texts in locales without a rule of their own, and English ones with hardly an English function word, are
    classified (py3langid, 97 languages); simplified Chinese is searched for traditional characters.
    """
    long_enough = pc.greater_equal(pc.utf8_length(texts), LEAST_CHARACTERS)
    few = pc.less(pc.count_substring_regex(texts, ENGLISH), FEW_ENGLISH)
    doubtful = pc.indices_nonzero(pc.and_(long_enough, few)).to_pylist()
    found = {}
    for row in doubtful:
        language = language_of(locales[row])
        voted = _vote(texts[row].as_py()) if language != "zh" else language
        if voted not in ("", language):
            found[row] = f"reads as {voted}"
    for row, locale in enumerate(locales):
        if locale in SIMPLIFIED and _is_traditional(texts[row].as_py()):
            found[row] = "written in traditional characters"
    return found


def _vote(text: str) -> str:
    language, probability = _classifier().classify(text)
    return str(language) if probability >= SURE else ""


@cache
def _classifier() -> Any:  # noqa: ANN401 -- the library has no types
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # type: ignore[import-untyped]

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _is_traditional(text: str) -> bool:
    """GB 2312 holds the simplified characters in common use, Big5 the traditional ones."""
    try:
        text.encode("gb2312")
    except UnicodeEncodeError:
        han = HAN.findall(text)
        return sum(map(_is_traditional_only, han)) > TRADITIONAL_SHARE * len(han)
    return False


@cache
def _is_traditional_only(character: str) -> bool:
    return _encodes(character, "big5") and not _encodes(character, "gb2312")


def _encodes(character: str, codec: str) -> bool:
    try:
        character.encode(codec)
    except UnicodeEncodeError:
        return False
    return True
