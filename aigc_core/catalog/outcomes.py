"""Outcomes: where every request of a run ended, written after the commit; rejections kept with their reason."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from aigc_core.errors import ConservationBroken
from aigc_core.records import TERMINAL_STATES, AuditReport, Batch, Counts, Edition, Verdicts
from aigc_core.storage.delta import Commit, Table
from aigc_core.storage.files import ParquetSink, read_batches, read_row_groups, read_table

OUTCOMES = pa.schema(
    [
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("locale", pa.string(), nullable=False),
        pa.field("request_key", pa.string(), nullable=False),
        pa.field("state", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("why", pa.string(), nullable=False),
        pa.field("attempts", pa.int32(), nullable=False),
        pa.field("tokens", pa.int64(), nullable=False),
        pa.field("seen", pa.bool_(), nullable=False),
        pa.field("category", pa.string()),
        pa.field("line", pa.string(), nullable=False),
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("date", pa.string(), nullable=False),
    ]
)
FINDINGS = pa.schema(
    [
        *(pa.field(name, pa.string(), nullable=False) for name in ("item_id", "locale", "request_key")),
        pa.field("attempt", pa.int32(), nullable=False),
        *(pa.field(name, pa.string(), nullable=False) for name in ("line", "run_id")),
        *(pa.field(name, pa.string(), nullable=False) for name in ("check_id", "version", "severity", "reason")),
        pa.field("spans", pa.list_(pa.struct([("start", pa.int32()), ("end", pa.int32())])), nullable=False),
        pa.field("evidence", pa.string(), nullable=False),
    ]
)
_DIGESTS = ("attributes_digest", "prompt_digest", "model_digest", "decode_digest", "check_config_digest")
_LATER = ("template_digest", "examples_digest", "engine", "dtype", "sampling_digest")
"""Rows of a lake made before these columns have none."""
REJECTS = pa.schema(
    [
        *(pa.field(name, pa.string(), nullable=False) for name in ("item_id", "locale", "request_key", "state")),
        pa.field("reason", pa.string(), nullable=False),
        *(pa.field(name, pa.string(), nullable=False) for name in _DIGESTS),
        *(pa.field(name, pa.string()) for name in _LATER),
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("decided_at", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("findings", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """Which run these outcomes belong to."""

    line: str
    run_id: str
    date: str
    """Logical date, ISO 8601."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What became of a run's requests."""

    path: str
    states: Counts
    """All nine terminal states, zeros included; adds up to the requests."""
    reasons: Counts
    seen: dict[str, Counts]
    """`seen` and `unseen` product groups -> terminal state -> rows."""


def write_outcomes(
    batch: Batch, report: AuditReport, edition: Edition | None, occasion: Occasion, path: Path
) -> Outcomes:
    """Write every request's terminal state.

    Args:
        edition: None when the audit blocked the run: what would have been published is then `quarantined`.

    Raises:
        ConservationBroken: the states do not add up to the requests.
    """
    held = None if edition is not None else "run blocked by " + ", ".join(gate.gate_id for gate in report.blocked_by)
    states: Counts = dict.fromkeys(TERMINAL_STATES, 0)
    reasons, seen = Counter[str](), {"seen": Counter[str](), "unseen": Counter[str]()}
    decisions = _Decisions(batch, report)
    with ParquetSink(path, OUTCOMES) as sink:
        for requests in read_batches(batch.requests.path):
            rows = [_outcome(row, decisions, held, occasion) for row in requests.to_pylist()]
            for row in rows:
                states[row["state"]] += 1
                reasons[row["reason"]] += 1
                seen["seen" if row["seen"] else "unseen"][row["state"]] += 1
            sink.write(pa.Table.from_pylist(rows, schema=OUTCOMES))
    if sum(states.values()) != batch.requests.requests or decisions.left():
        raise ConservationBroken(
            f"Run {occasion.run_id}: {states} do not add up to {batch.requests.requests} requests."
        )
    reasons.pop("", None)
    return Outcomes(
        path=str(path),
        states=states,
        reasons=dict(reasons.most_common()),
        seen={name: dict(sorted(counts.items())) for name, counts in seen.items()},
    )


def write_findings(verdicts: Sequence[Verdicts], occasion: Occasion, path: Path) -> None:
    """Write every finding of every attempt, one row a finding."""
    with ParquetSink(path, FINDINGS) as sink:
        for verdict in verdicts:
            sink.write(pa.Table.from_pylist(list(_findings(verdict, occasion)), schema=FINDINGS))


def keep_rejects(batch: Batch, report: AuditReport, table: Table, *, decided_at: str) -> Commit | None:
    """Append what was not published to the line's rejects, once a run; None when there is nothing to keep."""
    if report.states.get("published", 0) == batch.rows:
        return None
    table.create(REJECTS, stats=("item_id", "locale", "run_id"))
    return table.append_once(
        lambda: pa.RecordBatchReader.from_batches(REJECTS, _rejects(batch, report, decided_at)),
        key=f"rejects:{batch.run_id}",
        note={"run_id": batch.run_id},
    )


class _Decisions:
    """Decisions and sealed rows side by side: both stand in request order."""

    def __init__(self, batch: Batch, report: AuditReport) -> None:
        self._rows = self._read(batch, report)

    def next(self) -> Mapping[str, Any]:
        return next(self._rows)

    def left(self) -> int:
        return sum(1 for _ in self._rows)

    @staticmethod
    def _read(batch: Batch, report: AuditReport) -> Iterator[dict[str, Any]]:
        decisions = read_row_groups(report.decisions, ["request_key", "state", "reason"])
        for path, decided in zip(batch.paths, decisions, strict=True):
            rows = read_table(path, ["attempt", "tokens_spent"]).to_pylist()
            yield from ({**row, **more} for row, more in zip(rows, decided.to_pylist(), strict=True))


def _outcome(row: Mapping[str, Any], decisions: _Decisions, held: str | None, occasion: Occasion) -> dict[str, Any]:
    outcome = {
        **{name: row[name] for name in ("item_id", "locale", "request_key", "seen", "category")},
        "line": occasion.line,
        "run_id": occasion.run_id,
        "date": occasion.date,
        "why": row["reason"],
    }
    if row["state"] is not None:
        return outcome | {"state": row["state"], "reason": row["reason"], "attempts": 0, "tokens": 0}
    decision = decisions.next()
    if decision["request_key"] != row["request_key"]:
        raise ConservationBroken(f"Run {occasion.run_id}: decision and request differ at {row['item_id']}.")
    blocked = held is not None and decision["state"] == "published"
    return outcome | {
        "state": "quarantined" if blocked else decision["state"],
        "reason": held if blocked else decision["reason"],
        "attempts": decision["attempt"],
        "tokens": decision["tokens_spent"],
    }


def _findings(verdict: Verdicts, occasion: Occasion) -> Iterator[dict[str, Any]]:
    for row in read_table(verdict.path, ["item_id", "locale", "request_key", "attempt", "findings"]).to_pylist():
        for finding in row.pop("findings"):
            finding.pop("params_digest")
            yield {**row, **finding, "line": occasion.line, "run_id": occasion.run_id}


def _rejects(batch: Batch, report: AuditReport, decided_at: str) -> Iterator[pa.RecordBatch]:
    columns = ["item_id", "locale", "request_key", *_DIGESTS, *_LATER, "run_id", "text", "findings"]
    when = pa.scalar(decided_at).cast(pa.timestamp("us", "UTC")).as_py()
    for path, decided in zip(batch.paths, read_row_groups(report.decisions, ["state", "reason"]), strict=True):
        table = read_table(path, columns)
        table = table.append_column("state", decided["state"]).append_column("reason", decided["reason"])
        rows = table.filter(pc.not_equal(table["state"], "published")).to_pylist()
        for row in rows:
            row |= {"findings": json.dumps(row["findings"], ensure_ascii=False), "decided_at": when}
        yield from pa.Table.from_pylist(rows, schema=REJECTS).to_batches()
