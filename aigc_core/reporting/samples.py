"""Which texts a report shows, and how the findings' places in them are marked."""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from aigc_core.ids import stable_unit
from aigc_core.reporting.tallies import MOST_GROUPS
from aigc_core.storage.files import read_batches

MOST_PUBLISHED = 12
MOST_A_REASON = 3
MOST_REASONS = 16
LONGEST_TEXT = 1200
"""Characters shown of one text."""
LONGEST_VALUE = 160
MOST_ATTRIBUTES = 24
MASK = "█"
_RANK = {"": 0, "warn": 1, "quarantine": 2, "block": 3}
# What these checks found may be a person's data: the place is shown, the characters are not.
_MASKED = ("P-", "PII", "Q-L11", "M-5")
_COLUMNS = [
    "item_id",
    "locale",
    "category",
    "product_group",
    "seen",
    "attempt",
    "tokens",
    "text",
    "attributes",
    "findings",
    "error",
]

Span = tuple[int, int, str]
"""Start and end in characters, half-open, and the finding's severity."""
Key = tuple[str, str]
"""Item id and locale: one request of the run."""
Row = Mapping[str, Any]
"""One row as Arrow hands it over, whose types its schema holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of text under one mark."""

    text: str
    severity: str
    """The gravest of the findings that cover it; empty when none does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A finding, as a sample shows it."""

    check_id: str
    severity: str
    reason: str
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One generated text with what it was made from and what was found."""

    item_id: str
    locale: str
    state: str
    reason: str
    category: str
    product_group: str
    seen: bool
    attempt: int
    tokens: int
    segments: tuple[Segment, ...]
    shortened: bool
    attributes: tuple[tuple[str, str], ...]
    remarks: tuple[Remark, ...]
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleGroup:
    """The samples of one state and reason, and how many rows they stand for."""

    state: str
    reason: str
    rows: int
    samples: tuple[Sample, ...]


@dataclass(slots=True)
class _Reservoir:
    """The `most` keys with the smallest hash: the same ones whatever the order of the rows."""

    most: int
    rows: int = 0
    heap: list[tuple[float, Key]] = field(default_factory=list)

    def offer(self, key: Key, place: float) -> None:
        self.rows += 1
        if len(self.heap) < self.most:
            heapq.heappush(self.heap, (-place, key))
        elif place < -self.heap[0][0]:
            heapq.heapreplace(self.heap, (-place, key))

    def chosen(self) -> list[Key]:
        return [key for _, key in sorted(self.heap, reverse=True)]


def pick_samples(decisions: str, batch: Sequence[str]) -> tuple[SampleGroup, ...]:
    """Texts to show: up to 12 published ones first, then up to 3 for each of the most frequent refusals.

    Which ones depends on the item ids and locales alone. One pass over each file; memory is bounded.
    """
    groups = _largest(_draw(decisions))
    wanted = {key for _, reservoir in groups for key in reservoir.chosen()}
    rows = {(row["item_id"], row["locale"]): row for row in _rows_of(batch, wanted)}
    return tuple(
        SampleGroup(
            state=state,
            reason=reason,
            rows=reservoir.rows,
            samples=tuple(_sample(rows[key], state, reason) for key in reservoir.chosen() if key in rows),
        )
        for (state, reason), reservoir in groups
    )


def segments(text: str, spans: Iterable[Span]) -> tuple[Segment, ...]:
    """Cut a text where marks begin and end; together the segments are the text again.

    Spans may overlap (the gravest severity wins), reach past the text (clipped) or be empty (ignored).
    """
    clipped = [(max(0, start), min(len(text), end), severity) for start, end, severity in spans]
    valid = [span for span in clipped if span[0] < span[1]]
    cuts = sorted({0, len(text), *(edge for start, end, _ in valid for edge in (start, end))})
    pieces: list[Segment] = []
    for start, end in pairwise(cuts):
        covering = (severity for a, b, severity in valid if a <= start and end <= b)
        severity = max(covering, key=lambda name: _RANK.get(name, 1), default="")
        if pieces and pieces[-1].severity == severity:
            pieces[-1] = Segment(text=pieces[-1].text + text[start:end], severity=severity)
        else:
            pieces.append(Segment(text=text[start:end], severity=severity))
    return tuple(pieces)


def _draw(decisions: str) -> dict[tuple[str, str], _Reservoir]:
    drawn: dict[tuple[str, str], _Reservoir] = {}
    for batch in read_batches(decisions, ["item_id", "locale", "state", "reason"]):
        for item_id, locale, state, reason in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            kind = ("published", "") if state == "published" else (state, reason or "")
            if kind not in drawn:
                if len(drawn) >= MOST_GROUPS:
                    continue
                drawn[kind] = _Reservoir(MOST_PUBLISHED if state == "published" else MOST_A_REASON)
            drawn[kind].offer((item_id, locale), stable_unit(f"{item_id}\x1f{locale}"))
    return drawn


def _largest(drawn: Mapping[tuple[str, str], _Reservoir]) -> list[tuple[tuple[str, str], _Reservoir]]:
    """Published first, then the refusals by rows."""
    refused = sorted(
        (pair for pair in drawn.items() if pair[0][0] != "published"),
        key=lambda pair: (-pair[1].rows, pair[0]),
    )
    return [pair for pair in drawn.items() if pair[0][0] == "published"] + refused[:MOST_REASONS]


def _rows_of(batch: Sequence[str], wanted: set[Key]) -> Iterator[Row]:
    items = pa.array(sorted({item_id for item_id, _ in wanted}), pa.string())
    for path in batch if wanted else ():
        for rows in read_batches(path, _COLUMNS):
            likely = rows.filter(pc.is_in(rows["item_id"], value_set=items))
            yield from (row for row in likely.to_pylist() if (row["item_id"], row["locale"]) in wanted)


def _sample(row: Row, state: str, reason: str) -> Sample:
    text, findings = str(row["text"] or ""), row["findings"] or []
    spans = [(start, end, finding["severity"]) for finding in findings for start, end in _spans(finding)]
    return Sample(
        item_id=str(row["item_id"]),
        locale=str(row["locale"]),
        state=state,
        reason=reason,
        category=str(row["category"] or ""),
        product_group=str(row["product_group"] or ""),
        seen=bool(row["seen"]),
        attempt=int(row["attempt"] or 0),
        tokens=int(row["tokens"] or 0),
        segments=segments(_masked(text, findings)[:LONGEST_TEXT], spans),
        shortened=len(text) > LONGEST_TEXT,
        attributes=_attributes(row["attributes"] or []),
        remarks=tuple(_remark(finding) for finding in findings),
        error=_cut(str(row["error"] or "")),
    )


def _spans(finding: Row) -> list[tuple[int, int]]:
    return [(span["start"], span["end"]) for span in finding["spans"] or []]


def _masked(text: str, findings: Iterable[Row]) -> str:
    """The text at equal length without what may be personal; none of it where a finding names no place."""
    shown = list(text)
    for finding in findings:
        if finding["check_id"].startswith(_MASKED):
            for start, end in _spans(finding) or [(0, len(text))]:
                place = slice(max(0, start), max(0, end))
                shown[place] = [MASK if mark.strip() else mark for mark in shown[place]]
    return "".join(shown)


def _attributes(pairs: Sequence[Row]) -> tuple[tuple[str, str], ...]:
    return tuple((_cut(str(pair["name"])), _cut(str(pair["value"] or ""))) for pair in pairs[:MOST_ATTRIBUTES])


def _remark(finding: Row) -> Remark:
    return Remark(
        check_id=finding["check_id"],
        severity=finding["severity"],
        reason=_cut(finding["reason"]),
        evidence=_cut(finding["evidence"]),
    )


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"
