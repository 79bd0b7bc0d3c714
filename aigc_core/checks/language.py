"""Q-L6: is the text written in the script and language of its locale?"""

import pyarrow as pa
import pyarrow.compute as pc
import regex
from pydantic import Field

from aigc_core.checks.base import CheckResult, Finding, ParameterCheck
from aigc_core.checks.views import attributes_of, language_of, strings
from aigc_core.contracts.strict import Strict

LETTER = regex.compile(r"\p{L}")
HAN = regex.compile(r"\p{Han}")
# Function words tell close languages apart; the lists share no word, and three hits are asked for.
ENGLISH = r"(?i)\b(?:the|and|with|for|of|to|is|are|your|this|that|from|it|a|an|in|at|by)\b"
FOREIGN = (
    r"(?i)\b(?:und|mit|der|das|für|ein|eine|aus|ist|nicht|von|auch|et|avec|les|des|une|est|pour|dans|sur|qui"
    r"|el|los|las|con|para|una|del|muy|il|della|sono|che|het|een|van|voor|och|med|som|till|à|är)\b"
)
FOREIGN_LEAST = 3
RULES = frozenset({"en", "zh"})


class LanguageParameters(Strict):
    """Q-L6: shares of all letters, attribute values left out."""

    han_share_min: float = Field(0.60, ge=0.2, le=1)
    """Least share of Han characters in a Chinese text."""
    ascii_share_min: float = Field(0.90, ge=0.2, le=1)
    """Least share of ASCII letters in an English text, which holds no Han character at all."""


class Language(ParameterCheck[LanguageParameters]):
    """Q-L6: the wrong script or language blocks. Other locales have no rule and are flagged."""

    check_id = "Q-L6"
    version = "1"

    def __call__(self, batch: pa.RecordBatch) -> CheckResult:
        """Judge by counts; only texts that fail them are looked at again without their attribute values."""
        locales = strings(batch, "locale")
        suspects = self._suspects(batch.column("text"), locales)
        found = [
            Finding(row=row, severity="warn", reason="no language rule for this locale", evidence=locale)
            for row, locale in enumerate(locales)
            if language_of(locale) not in RULES
        ]
        for row, pairs in zip(suspects, attributes_of(batch, suspects), strict=True):
            text = batch.column("text")[row].as_py()
            rest = _without(text, [value for _, value in pairs])
            found += self._judge(row, rest if LETTER.search(rest) else text, language_of(locales[row]))
        return CheckResult(findings=found)

    def _suspects(self, texts: pa.Array, locales: list[str]) -> list[int]:
        chinese = [row for row, locale in enumerate(locales) if language_of(locale) == "zh"]
        english = [row for row, locale in enumerate(locales) if language_of(locale) == "en"]
        return sorted([*self._not_chinese(texts, chinese), *self._not_english(texts, english)])

    def _not_chinese(self, texts: pa.Array, rows: list[int]) -> list[int]:
        chosen = texts.take(pa.array(rows, pa.int64()))
        counts = zip(_count(chosen, r"\PL+"), _count(chosen, r"\P{Han}+"), strict=True)
        pairs = zip(rows, counts, strict=True)
        return [row for row, (letters, han) in pairs if not self._holds("zh", (letters, han, 0))]

    def _not_english(self, texts: pa.Array, rows: list[int]) -> list[int]:
        chosen = texts.take(pa.array(rows, pa.int64()))
        foreign = pc.greater_equal(pc.count_substring_regex(chosen, FOREIGN), FOREIGN_LEAST)
        suspicious = pc.or_(foreign, pc.match_substring_regex(chosen, r"[^\x00-\x7F\p{P}\p{S}]|^[^A-Za-z]*$"))
        return [rows[index] for index in pc.indices_nonzero(suspicious).to_pylist()]

    def _holds(self, language: str, counts: tuple[int, int, int]) -> bool:
        letters, han, latin = counts
        if letters == 0:
            return False
        if language == "zh":
            return han >= self.parameters.han_share_min * letters
        return han == 0 and latin >= self.parameters.ascii_share_min * letters

    def _judge(self, row: int, text: str, language: str) -> list[Finding]:
        letters, han = len(LETTER.findall(text)), len(HAN.findall(text))
        latin = sum(character.isascii() and character.isalpha() for character in text)
        if letters == 0:
            return [Finding(row=row, severity="block", reason="no words")]
        if not self._holds(language, (letters, han, latin)):
            evidence = f"Han {han / letters:.0%}, ASCII {latin / letters:.0%} of letters"
            return [Finding(row=row, severity="block", reason="wrong language", evidence=evidence)]
        foreign, english = len(FOREIGN_WORDS.findall(text)), len(ENGLISH_WORDS.findall(text))
        if language == "en" and foreign >= FOREIGN_LEAST and foreign > english:
            return [Finding(row=row, severity="block", reason="wrong language", evidence=f"{foreign} foreign words")]
        return []


FOREIGN_WORDS = regex.compile(FOREIGN)
ENGLISH_WORDS = regex.compile(ENGLISH)


def _count(texts: pa.Array, others: str) -> list[int]:
    """Characters left when the others are taken out; far faster than counting matches one by one."""
    counts: list[int] = pc.utf8_length(pc.replace_substring_regex(texts, others, "")).to_pylist()
    return counts


def _without(text: str, values: list[str]) -> str:
    for value in sorted({value for value in values if len(value) > 1}, key=lambda value: (-len(value), value)):
        text = text.replace(value, " ")
    return text
