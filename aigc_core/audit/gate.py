"""The audit: one decision per row from findings, duplicates and the output contract; one for the run from its gates."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from aigc_core.checks import canaries
from aigc_core.checks.base import RANK, RowCheck
from aigc_core.checks.duplicates import CHECK_ID, OWNED, SHELVED, exact_duplicates
from aigc_core.checks.labels import gate_l1, gate_l2
from aigc_core.checks.registry import CHECK_FAILED, run_checks
from aigc_core.contracts.check import check_rows, run_gates
from aigc_core.contracts.model import Contract
from aigc_core.errors import IntegrityBroken
from aigc_core.events import Progress, report_progress
from aigc_core.records import AuditReport, Batch, Gate
from aigc_core.storage.delta import Table
from aigc_core.storage.files import ParquetSink, read_table, sha256_of

ROWS, RUN = "rows", "run"
DECISIONS = pa.schema(
    [
        pa.field("position", pa.int64(), nullable=False),
        pa.field("request_key", pa.string(), nullable=False),
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("locale", pa.string(), nullable=False),
        pa.field("state", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("check_flags", pa.list_(pa.string()), nullable=False),
    ]
)
TEXT_TAKEN = "text taken down"
Duplicates = Mapping[str, str]
"""Request key -> reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What a line audits with."""

    contract: Contract
    """The output contract: objects `rows` and `run`."""
    checks: Sequence[RowCheck]
    locales: tuple[str, ...]
    max_reject_share: float
    """Gate H-2's threshold, from the recipe."""
    taken_down: frozenset[str] = frozenset()
    """`content_sha256` of texts under takedown, whoever writes them again."""


def audit(batch: Batch, bench: Bench, shelf: Table, path: Path) -> AuditReport:
    """Decide every row and the run; write the decisions to `path`.

    Args:
        shelf: the published table, for duplicates of other items' texts.

    Raises:
        IntegrityBroken: a sealed file's bytes differ from the batch's record.
    """
    _require_sealed(batch)
    duplicates = exact_duplicates(
        _candidates(batch), published=shelf.stream(SHELVED.names), scratch=path.parent / "scratch"
    )
    states, reasons, unlabelled, errors = Counter[str](), Counter[str](), 0, 0
    with ParquetSink(path, DECISIONS) as sink:
        for table in _tables(batch):
            errors += sum(_failed_check(findings) for findings in table["findings"].to_pylist())
            decided = _decide(table, duplicates, bench)
            unlabelled += _unlabelled(table.filter(pc.equal(decided["state"], "published")))
            sink.write(decided)
            states.update(decided["state"].to_pylist())
            reasons.update(reason for reason in decided["reason"].to_pylist() if reason)
            report_progress(Progress(stage="audit", done=sink.rows, total=batch.rows))
    planted, missed = _plant(bench)
    measures = _measures(batch, states, bench.max_reject_share) | {
        "check_error_share": errors / max(batch.rows, 1),
        "unlabelled": unlabelled,
        "canaries": planted,
        "canaries_missed": len(missed),
    }
    return AuditReport(
        run_id=batch.run_id,
        content_hash=batch.content_hash,
        contract_digest=bench.contract.digest,
        decisions=str(path),
        decisions_sha256=sha256_of(path),
        states=dict(sorted(states.items())),
        reasons=dict(sorted(reasons.items())),
        gates=_gates(bench.contract, measures),
        canaries=planted,
        canaries_missed=missed,
    )


def _gates(contract: Contract, measures: Mapping[str, float]) -> tuple[Gate, ...]:
    return run_gates(contract.objects[RUN], measures)


def _require_sealed(batch: Batch) -> None:
    for path, expected in zip(batch.paths, batch.sha256s, strict=True):
        if sha256_of(path) != expected:
            raise IntegrityBroken(
                f"{path} is not the file that was sealed.",
                remedy="Run the same command again: it is made anew.",
            )


def _tables(batch: Batch) -> Iterator[pa.Table]:
    for path in batch.paths:
        yield read_table(path)


def _candidates(batch: Batch) -> Iterator[pa.RecordBatch]:
    for path in batch.paths:
        table = read_table(path, [*OWNED.names, "accepted"])
        yield from table.filter(table["accepted"]).to_batches()


def _unlabelled(rows: pa.Table) -> int:
    return len({*gate_l1(rows), *gate_l2(rows)})


def _failed_check(findings: Sequence[Mapping[str, Any]]) -> bool:
    return any(finding["reason"] == CHECK_FAILED for finding in findings)


def _decide(table: pa.Table, duplicates: Duplicates, bench: Bench) -> pa.Table:
    refused = _contract_failures(table, bench.contract)
    taken = pc.is_in(table["content_sha256"], value_set=pa.array(sorted(bench.taken_down), pa.string())).to_pylist()
    rows = table.select(
        ["position", "request_key", "item_id", "locale", "finish_reason", "error", "findings", "check_flags"]
    )
    decided = [_decision(row, duplicates, refused.get(index)) for index, row in enumerate(rows.to_pylist())]
    for row, is_taken in zip(decided, taken, strict=True):
        if is_taken:
            row |= {"state": "withheld", "reason": TEXT_TAKEN}
    return pa.Table.from_pylist(decided, schema=DECISIONS)


def _decision(row: Mapping[str, Any], duplicates: Duplicates, contract_failure: str | None) -> dict[str, Any]:
    state, reason = _state(row, duplicates, contract_failure)
    kept = {name: row[name] for name in ("position", "request_key", "item_id", "locale", "check_flags")}
    return {**kept, "state": state, "reason": reason}


def _state(row: Mapping[str, Any], duplicates: Duplicates, contract_failure: str | None) -> tuple[str, str]:
    if row["finish_reason"] == "error":
        return "failed", f"engine: {row['error']}"
    worst = max(row["findings"], key=lambda finding: RANK[finding["severity"]], default=None)
    if worst is not None and RANK[worst["severity"]]:
        state = "rejected" if worst["severity"] == "block" else "quarantined"
        return state, f"{worst['check_id']} {worst['reason']}"
    if contract_failure is not None:
        return "quarantined", f"contract {contract_failure}"
    if row["request_key"] in duplicates:
        return "duplicate", f"{CHECK_ID} {duplicates[row['request_key']]}"
    return "published", ""


def _contract_failures(table: pa.Table, contract: Contract) -> dict[int, str]:
    failures: dict[int, str] = {}
    for broken in check_rows(contract.objects[ROWS], table):
        failures.setdefault(broken.row, broken.reason)
    return failures


def _plant(bench: Bench) -> tuple[int, tuple[str, ...]]:
    """Run the very checks of this run over planted bad texts: a gate that cannot fail proves nothing."""
    batch = canaries.plant(bench.locales)
    return batch.num_rows, canaries.missed(batch, run_checks(bench.checks, batch))


def _measures(batch: Batch, states: Counter[str], max_reject_share: float) -> dict[str, float]:
    generated = batch.rows
    return {
        "requests": batch.requests.requests,
        "decided": states.total(),
        "generated": generated,
        "publishable": states["published"],
        "rejected": states["rejected"],
        "quarantined": states["quarantined"],
        "duplicates": states["duplicate"],
        "failed": states["failed"],
        "reject_share": (generated - states["published"]) / generated if generated else 0.0,
        "max_reject_share": max_reject_share,
        "undecided": batch.requests.to_generate - states.total(),
    }
