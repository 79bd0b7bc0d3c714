"""Every check of a training pair that needs no other pair: what is held against it, what is masked, what is flagged."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aigc_core.checks.base import CheckResult, Finding, NoParameters
from aigc_core.checks.claims import ClaimParameters, Claims, flagged, is_ban
from aigc_core.checks.documents import DocumentParameters, DocumentQuality, is_document
from aigc_core.checks.language import Language, LanguageParameters
from aigc_core.checks.language_votes import other_languages
from aigc_core.checks.licences import held_against
from aigc_core.checks.privacy import ENTITIES, mask, mask_value, suspicious_rows, suspicious_values
from aigc_core.checks.repetition import LongRepetition
from aigc_core.checks.safety import Safety
from aigc_core.checks.views import attributes_of, strings, words_of
from aigc_core.contracts.hygiene import Action, Hygiene

PRIVACY = "P-1"
_LINE_ENDS = re.compile(r"\s*[\r\n]+\s*")


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


Attributes = list[dict[str, str]]
Verdicts = defaultdict[int, Verdict]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedPairs:
    """One batch of pairs, judged; rows that are not named hold nothing."""

    verdicts: Mapping[int, Verdict]
    texts: Mapping[int, str]
    """Row -> its text, masked."""
    attributes: Mapping[int, Attributes]
    """Row -> its attributes, personal data in their values masked."""
    raws: Mapping[int, str]
    """Row -> its values before cleaning, masked like the texts."""


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
        """Judge the rows of a batch with locale, text, attributes, licence and raw; licences are filled in."""
        verdicts: defaultdict[int, Verdict] = defaultdict(Verdict)
        self._licences(batch, verdicts)
        self._languages(batch, verdicts)
        self._prose(batch, verdicts)
        attributes, texts = self._attributes(batch, verdicts), self._texts(batch, verdicts)
        self._words(batch, verdicts)
        return JudgedPairs(verdicts=verdicts, texts=texts, attributes=attributes, raws=self._raws(batch))

    def judge_unlabelled(self, batch: pa.RecordBatch) -> JudgedPairs:
        """Judge licence and personal data only, of rows whose text is made of their attributes, one a line."""
        verdicts: defaultdict[int, Verdict] = defaultdict(Verdict)
        self._licences(batch, verdicts)
        attributes = self._attributes(batch, verdicts)
        column, before = batch.column("text"), batch.column("attributes")
        changed = {row: _as_lines(column[row].as_py(), before[row].as_py(), after) for row, after in attributes.items()}
        spelt = replaced(column, changed)
        texts = changed | self._texts(batch.set_column(_place(batch, "text"), "text", spelt), verdicts)
        return JudgedPairs(verdicts=verdicts, texts=texts, attributes=attributes, raws=self._raws(batch))

    def _licences(self, batch: pa.RecordBatch, verdicts: Verdicts) -> None:
        licences = batch.column("licence")
        held = {licence: self._allowed(licence) for licence in pc.unique(licences).to_pylist()}
        if not any(held.values()):
            return
        for row, licence in enumerate(licences.to_pylist()):
            if held[licence]:
                verdicts[row].refuse("licence", held[licence], licence or "")

    def _languages(self, batch: pa.RecordBatch, verdicts: Verdicts) -> None:
        action = self._rules.language
        if action == "off":
            return
        found = {
            one.row: one.evidence or one.reason for one in self._language(batch).findings if one.severity == "block"
        }
        for row, why in (other_languages(batch.column("text"), strings(batch, "locale")) | found).items():
            _hold(verdicts[row], action, "Q-L6", ("text: not in its language (Q-L6)", why))

    def _prose(self, batch: pa.RecordBatch, verdicts: Verdicts) -> None:
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

    def _texts(self, batch: pa.RecordBatch, verdicts: Verdicts) -> dict[int, str]:
        """The texts that change where masking is asked for."""
        action, column = self._rules.personal_data, batch.column("text")
        rows = [] if action == "off" else suspicious_rows(column)
        changed: dict[int, str] = {}
        for row, pairs in zip(rows, attributes_of(batch, rows), strict=True):
            masked, counts = mask(column[row].as_py(), pairs, batch.column("locale")[row].as_py())
            if counts:
                _mark_personal(verdicts[row], counts, action, column="text")
                if action == "mask":
                    changed[row] = masked
        return changed

    def _attributes(self, batch: pa.RecordBatch, verdicts: Verdicts) -> dict[int, Attributes]:
        """The attributes that change where masking is asked for."""
        action, column = self._rules.personal_data, batch.column("attributes")
        if action == "off":
            return {}
        values = suspicious_values(column.flatten().field("value"))
        owners = pc.list_parent_indices(column).take(pa.array(values, pa.int64()))
        rows = pc.unique(owners).to_pylist()
        changed: dict[int, Attributes] = {}
        for row, pairs in zip(rows, attributes_of(batch, rows), strict=True):
            locale, counts = batch.column("locale")[row].as_py(), Counter[str]()
            masked = []
            for name, value in pairs:
                hidden, found = mask_value(name, value, locale)
                counts.update(found)
                masked.append({"name": name, "value": hidden})
            if counts:
                _mark_personal(verdicts[row], counts, action, column="attributes")
                if action == "mask":
                    changed[row] = masked
        return changed

    def _raws(self, batch: pa.RecordBatch) -> dict[int, str]:
        """What stood there before cleaning must not bring back what is masked in the text."""
        column = batch.column("raw")
        rows = suspicious_rows(column) if self._rules.personal_data == "mask" else []
        return {
            row: masked_json(column[row].as_py(), pairs, batch.column("locale")[row].as_py())
            for row, pairs in zip(rows, attributes_of(batch, rows), strict=True)
        }

    def _words(self, batch: pa.RecordBatch, verdicts: Verdicts) -> None:
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


def _mark_personal(verdict: Verdict, counts: Mapping[str, int], action: str, *, column: str) -> None:
    hidden = {entity: places for entity, places in counts.items() if ENTITIES[entity] != "warn"}
    verdict.flags.add(PRIVACY)
    verdict.harmful |= any(ENTITIES[entity] == "block" for entity in hidden)
    if action == "mask":
        verdict.masked = dict(Counter(verdict.masked) + Counter(hidden))
    elif action == "quarantine" and hidden:
        holds = "holds" if column == "text" else "hold"
        verdict.refuse(column, f"{column}: {holds} personal data ({PRIVACY})", ", ".join(sorted(hidden)).lower())


def json_or_text(raw: str) -> object:
    """The JSON value; text that is none stands for itself."""
    try:
        return json.loads(raw)
    except ValueError:
        return raw


def _texts_in(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts_in(one)


def _with(value: object, masked: Mapping[str, str]) -> object:
    if isinstance(value, str):
        return masked.get(value, value)
    if isinstance(value, list):
        return [_with(one, masked) for one in value]
    if isinstance(value, dict):
        return {name: _with(one, masked) for name, one in value.items()}
    return value


def masked_json(raw: str, attributes: Sequence[tuple[str, str]], locale: str) -> str:
    """JSON with every text in it masked; text that is no JSON becomes a JSON string.

    Attributes of the row are its own there too.
    """
    return masked_jsons([(raw, attributes, locale)])[0]


def masked_jsons(rows: Sequence[tuple[str, Sequence[tuple[str, str]], str]]) -> list[str]:
    """As `masked_json`, for rows of (raw, attributes, locale): what may be suspicious is looked for once in all."""
    values = [json_or_text(raw) for raw, _, _ in rows]
    texts = list(dict.fromkeys(text for value in values for text in _texts_in(value)))
    # Half a surrogate pair, as JSON may hold it, is no text for Arrow: it cannot hide anything in the others' screen.
    screened = [text.encode("utf-8", "replace").decode() for text in texts]
    near = {texts[row] for row in suspicious_rows(pa.array(screened, pa.string()))}
    made = []
    for value, (raw, attributes, locale) in zip(values, rows, strict=True):
        masked = {text: mask(text, attributes, locale)[0] for text in _texts_in(value) if text in near}
        same = not isinstance(value, str) and all(text == hidden for text, hidden in masked.items())
        made.append(raw if same else json.dumps(_with(value, masked), ensure_ascii=False))
    return made


def replaced(column: pa.Array, values: Mapping[int, object]) -> pa.Array:
    """The column with other values in the rows named."""
    if not values:
        return column
    rows = sorted(values)
    places = np.arange(len(column))
    places[rows] = len(column) + np.arange(len(rows))
    fresh = pa.array([values[row] for row in rows], column.type)
    return pa.concat_arrays([column, fresh]).take(pa.array(places))


def _as_lines(text: str, before: Attributes, after: Attributes) -> str:
    """The text of an item with what is masked in its attributes."""
    for was, now in zip(before, after, strict=True):
        if was["value"] and was["value"] != now["value"]:
            text = text.replace(_LINE_ENDS.sub(" ", was["value"]), _LINE_ENDS.sub(" ", now["value"]))
    return text


def _place(batch: pa.RecordBatch, name: str) -> int:
    place: int = batch.schema.get_field_index(name)
    return place


def _by_row(result: CheckResult) -> dict[int, list[Finding]]:
    rows: dict[int, list[Finding]] = {}
    for one in result.findings:
        rows.setdefault(one.row, []).append(one)
    return rows
