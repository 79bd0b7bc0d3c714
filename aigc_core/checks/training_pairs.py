"""Every check of a training pair that needs no other pair: what is held against it, what is masked, what is flagged."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import pyarrow as pa

from aigc_core.checks.base import CheckResult, Finding, NoParameters
from aigc_core.checks.claims import ClaimParameters, Claims, flagged, is_ban
from aigc_core.checks.documents import DocumentParameters, DocumentQuality, is_document
from aigc_core.checks.language import Language, LanguageParameters
from aigc_core.checks.language_votes import other_languages
from aigc_core.checks.licences import held_against
from aigc_core.checks.privacy import ENTITIES, mask, suspicious_rows
from aigc_core.checks.repetition import LongRepetition
from aigc_core.checks.safety import Safety
from aigc_core.checks.views import attributes_of, strings, words_of
from aigc_core.contracts.hygiene import Action, Hygiene

PRIVACY = "P-1"


@dataclass(slots=True)
class Verdict:
    """What the checks say of one pair."""

    column: str = ""
    reason: str = ""
    """The first reason against it, stable and without values; empty when it may train."""
    details: list[str] = field(default_factory=list)
    flags: set[str] = field(default_factory=set)
    """Ids of all checks that found something, whatever follows from it."""
    masked: dict[str, int] = field(default_factory=dict)
    """Entity -> places."""
    harmful: bool = False
    """Unsafe, personal or forbidden words of the heaviest kind: what a source is judged by."""

    def refuse(self, column: str, reason: str, detail: str = "") -> None:
        """Hold something against the pair; the first reason is the one that is counted."""
        if not self.reason:
            self.column, self.reason = column, reason
        self.details.append(f"{reason} ({detail})" if detail else reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedPairs:
    """One batch of pairs, judged."""

    texts: pa.Array
    """The texts, personal data masked where the recipe asks for it."""
    raws: pa.Array
    """The values before cleaning, masked like the texts."""
    licences: list[str | None]
    """Of each row: its own, else the declared one."""
    sources: list[str | None]
    verdicts: list[Verdict]


class PairJudge:
    """Judges batches of pairs; no state is kept between them."""

    def __init__(self, rules: Hygiene) -> None:
        self._rules = rules
        self._allowed = cache(lambda licence: held_against(licence, rules.licence.allowed))
        self._language = Language(LanguageParameters())
        self._documents = DocumentQuality(DocumentParameters(words=rules.gopher_words))
        self._repetition = LongRepetition(NoParameters())
        self._claims = Claims(ClaimParameters(markets=rules.markets))
        self._safety = Safety(NoParameters())

    def judge(self, batch: pa.RecordBatch) -> JudgedPairs:
        """Judge the rows of a batch with locale, text, attributes, licence, source and raw."""
        verdicts = [Verdict() for _ in range(batch.num_rows)]
        licences = self._licences(batch, verdicts)
        self._languages(batch, verdicts)
        self._prose(batch, verdicts)
        texts = self._personal_data(batch, verdicts)
        self._words(batch, verdicts)
        declared = self._rules.licence.source
        sources = [source or declared for source in batch.column("source").to_pylist()]
        return JudgedPairs(texts=texts, raws=self._raws(batch), licences=licences, sources=sources, verdicts=verdicts)

    def _licences(self, batch: pa.RecordBatch, verdicts: Sequence[Verdict]) -> list[str | None]:
        declared = self._rules.licence.declared
        licences = [licence or declared for licence in batch.column("licence").to_pylist()]
        for licence, verdict in zip(licences, verdicts, strict=True):
            reason = self._allowed(licence)
            if reason:
                verdict.refuse("licence", reason, licence or "")
        return licences

    def _languages(self, batch: pa.RecordBatch, verdicts: Sequence[Verdict]) -> None:
        action = self._rules.language
        if action == "off":
            return
        found = {
            one.row: one.evidence or one.reason for one in self._language(batch).findings if one.severity == "block"
        }
        for row, why in (other_languages(batch.column("text"), strings(batch, "locale")) | found).items():
            _hold(verdicts[row], action, "Q-L6", ("text: not in its language (Q-L6)", why))

    def _prose(self, batch: pa.RecordBatch, verdicts: Sequence[Verdict]) -> None:
        action = self._rules.gopher
        if action == "off":
            return
        for one in self._documents(batch).findings:
            _hold(verdicts[one.row], action, "Q-G", ("text: is no prose (Q-G)", one.evidence))
        texts, locales = batch.column("text"), batch.column("locale")
        for one in self._repetition(batch).findings:
            locale = locales[one.row].as_py()
            if is_document(words_of(texts[one.row].as_py(), locale), locale, self._rules.gopher_words):
                _hold(verdicts[one.row], action, "Q-L1", ("text: repeats itself (Q-L1)", one.evidence))

    def _personal_data(self, batch: pa.RecordBatch, verdicts: Sequence[Verdict]) -> pa.Array:
        """The texts, masked where that is asked for."""
        action, column = self._rules.personal_data, batch.column("text")
        rows = [] if action == "off" else suspicious_rows(column)
        if not rows:
            return column
        texts, locales = column.to_pylist(), strings(batch, "locale")
        for row, pairs in zip(rows, attributes_of(batch, rows), strict=True):
            masked, counts = mask(texts[row], pairs, locales[row])
            if counts:
                _mark_personal(verdicts[row], counts, action)
                texts[row] = masked if action == "mask" else texts[row]
        return pa.array(texts, pa.string())

    def _raws(self, batch: pa.RecordBatch) -> pa.Array:
        """What stood there before cleaning must not bring back what is masked in the text."""
        column = batch.column("raw")
        rows = suspicious_rows(column) if self._rules.personal_data == "mask" else []
        if not rows:
            return column
        raws, locales = column.to_pylist(), strings(batch, "locale")
        for row, pairs in zip(rows, attributes_of(batch, rows), strict=True):
            raws[row] = json.dumps(_masked(json_or_text(raws[row]), pairs, locales[row]), ensure_ascii=False)
        return pa.array(raws, pa.string())

    def _words(self, batch: pa.RecordBatch, verdicts: Sequence[Verdict]) -> None:
        for one in self._safety(batch).findings:
            verdicts[one.row].flags.add("S-1")
            verdicts[one.row].harmful |= one.severity == "block"
        if self._rules.claims == "off":
            return
        for row, findings in _by_row(self._claims(batch)).items():
            blocking = [one for one in findings if one.severity == "block"]
            verdicts[row].flags.update(map(flagged, findings))
            verdicts[row].harmful |= any(map(is_ban, findings))
            if blocking and self._rules.claims == "quarantine":
                said = "; ".join(f"{one.reason}: {one.evidence}" for one in blocking)
                verdicts[row].refuse("text", "text: claims what advertising law forbids (Q-C)", said)


def _hold(verdict: Verdict, action: Action, check_id: str, words: tuple[str, str]) -> None:
    verdict.flags.add(check_id)
    if action == "quarantine":
        verdict.refuse("text", *words)


def _mark_personal(verdict: Verdict, counts: Mapping[str, int], action: str) -> None:
    hidden = {entity: places for entity, places in counts.items() if ENTITIES[entity] != "warn"}
    verdict.flags.add(PRIVACY)
    verdict.harmful |= any(ENTITIES[entity] == "block" for entity in hidden)
    if action == "mask":
        verdict.masked = hidden
    elif action == "quarantine" and hidden:
        verdict.refuse("text", f"text: holds personal data ({PRIVACY})", ", ".join(sorted(hidden)).lower())


def json_or_text(raw: str) -> object:
    """The JSON value; text that is none stands for itself."""
    try:
        return json.loads(raw)
    except ValueError:
        return raw


def _masked(value: object, attributes: Sequence[tuple[str, str]], locale: str) -> object:
    """A JSON value with every text in it masked; attributes of the row are its own there too."""
    if isinstance(value, str):
        return mask(value, attributes, locale)[0]
    if isinstance(value, list):
        return [_masked(one, attributes, locale) for one in value]
    if isinstance(value, dict):
        return {name: _masked(one, attributes, locale) for name, one in value.items()}
    return value


def _by_row(result: CheckResult) -> dict[int, list[Finding]]:
    rows: dict[int, list[Finding]] = {}
    for one in result.findings:
        rows.setdefault(one.row, []).append(one)
    return rows
