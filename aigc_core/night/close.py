"""Closing a night: where every request ended, what it cost, the report, and the run's line in the index."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from aigc_core.catalog.outcomes import Outcomes, keep_rejects, write_outcomes
from aigc_core.contracts.content_line import ContentLine
from aigc_core.errors import AuditBlocked
from aigc_core.ids import canonical_json
from aigc_core.night.pin import MANIFEST, open_night
from aigc_core.night.steps import keep_refused_texts, occasion
from aigc_core.records import (
    AuditReport,
    Batch,
    CatalogueSnapshot,
    CorpusVersion,
    Door,
    Edition,
    Intake,
    ModelVersion,
    Night,
    RunSummary,
)
from aigc_core.reporting.economics import cost_of
from aigc_core.reporting.run_report import ReportFiles, write_run_report
from aigc_core.storage.files import read_row_groups, write_json
from aigc_core.storage.progress import RunFolder
from aigc_core.workspace import Workspace

RUN_INDEX = pa.schema(
    [
        *(pa.field(name, pa.string(), nullable=False) for name in ("line", "run_id", "date", "finished_at")),
        pa.field("edition", pa.int64()),
        *(pa.field(name, pa.int64(), nullable=False) for name in ("requests", "published", "unchanged", "tokens")),
        pa.field("blocked", pa.bool_(), nullable=False),
        pa.field("seconds", pa.float64(), nullable=False),
        *(pa.field(name, pa.string(), nullable=False) for name in ("model_digest", "report", "summary")),
    ]
)
_STEPS = {
    "ingest": ("corpus", "catalogue"),
    "fine-tune": ("model",),
    "plan": ("requests",),
    "seal": ("batch",),
    "audit": ("audit/report",),
    "publish": ("edition", "outcomes"),
}


def finish(night: Night, model: ModelVersion, batch: Batch, report: AuditReport, edition: Edition | None) -> RunSummary:
    """Write outcomes, rejects, report and the run's line in the index; from then on the run is finished."""
    workspace, line, folder = open_night(night)
    path = folder.file("outcomes.parquet")
    outcomes = folder.keep(
        "outcomes", Outcomes, lambda: (write_outcomes(batch, report, edition, occasion(night), path), [path])
    )
    if edition is not None:
        keep_refused_texts(night, model)
        keep_rejects(batch, report, workspace.rejects(line.name), decided_at=night.started_at)
    made = _Made(model=model, batch=batch, report=report, edition=edition, outcomes=outcomes)
    summary = folder.keep("summary", RunSummary, lambda: (_summary(night, made, folder, line), ()))
    write_run_report(summary, _report_files(made, folder), title=line.recipe.title, model=model)
    _index(workspace, summary)
    if not folder.file(f"{MANIFEST}.json").exists():
        write_json(folder.file(f"{MANIFEST}.json"), {"night": night, "summary": summary, "batch": batch})
    folder.unlock()
    return summary


def settle(summary: RunSummary) -> RunSummary:
    """The summary of a run that may stand.

    Raises:
        AuditBlocked: the gates refused the run; its report is written.
    """
    if summary.blocked:
        failed = [gate for gate in summary.gates if gate.level == "block" and not gate.passed]
        named = "; ".join(f"{gate.gate_id}: {gate.measure} is {gate.value}, must be {gate.rule}" for gate in failed)
        raise AuditBlocked(
            f"The audit blocked run {summary.run_id}: {named}.",
            "Nothing was published; the shelf is as it was.",
            f"See {summary.report}, or `aigc show {summary.run_id}`.",
            summary.run_id,
        )
    return summary


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """What the night made."""

    model: ModelVersion
    batch: Batch
    report: AuditReport
    edition: Edition | None
    outcomes: Outcomes


def _summary(night: Night, made: _Made, folder: RunFolder, line: ContentLine) -> RunSummary:
    seconds = _seconds(made.batch, folder)
    doors = _doors(folder)
    batch, outcomes = made.batch, made.outcomes
    published = outcomes.states["published"]
    served = line.recipe.generation.served_price(made.model.engine, batch.prompt_tokens, batch.tokens)
    cost = cost_of(seconds, line.recipe.prices, published=published, generated=batch.rows, served=served)
    return RunSummary(
        line=night.line,
        run_id=night.run_id,
        date=night.date,
        edition=made.edition.version if made.edition else None,
        requests=batch.requests.requests,
        states=outcomes.states,
        reasons=outcomes.reasons | _door_reasons(doors),
        planned=batch.requests.reasons,
        attempts=batch.attempts,
        tokens=batch.tokens,
        tokens_per_second=round(batch.tokens / seconds["generate"], 1) if seconds["generate"] else 0.0,
        seconds=seconds,
        cost=cost,
        model=_model_facts(made.model),
        lake=night.lake,
        report=str(folder.file("report.html")),
        doors=doors,
        findings=_findings(folder),
        gates=made.report.gates,
        seen=outcomes.seen,
        blocked=made.edition is None,
        withdrawn=made.edition.withdrawn if made.edition else 0,
        wasted=batch.wasted,
        pinned=_pinned(folder, made.model),
    )


def _seconds(batch: Batch, folder: RunFolder) -> dict[str, float]:
    """Stage -> seconds of work, summed over interruptions; each second in one stage only."""
    seconds = {stage: sum(folder.seconds(step) for step in steps) for stage, steps in _STEPS.items()}
    judged = [path.relative_to(folder.path).with_suffix("") for path in folder.file("verdicts").glob("*.json")]
    seconds["screen"] = sum(folder.seconds(str(step)) for step in judged)
    seconds["generate"] = batch.generation_seconds
    order = ("ingest", "fine-tune", "plan", "generate", "screen", "seal", "audit", "publish")
    return {stage: round(seconds[stage], 3) for stage in order}


def _doors(folder: RunFolder) -> tuple[Door, ...]:
    catalogue, corpus = folder.recall("catalogue", CatalogueSnapshot), folder.recall("corpus", CorpusVersion)
    return tuple(taken.door for taken in (catalogue, corpus) if taken is not None)


def _pinned(folder: RunFolder, model: ModelVersion) -> dict[str, int | None]:
    catalogue, corpus = folder.recall("catalogue", CatalogueSnapshot), folder.recall("corpus", CorpusVersion)
    return {
        "catalogue": catalogue.version if catalogue else None,
        "corpus": corpus.version if corpus else model.corpus_version,
    }


def _door_reasons(doors: Sequence[Door]) -> dict[str, int]:
    return {f"{door.name} {reason}": rows for door in doors for reason, rows in door.reasons.items()}


def _findings(folder: RunFolder) -> dict[str, int]:
    counts = Counter[str]()
    for table in read_row_groups(folder.file("findings.parquet"), ["check_id"]):
        counts.update(table["check_id"].to_pylist())
    return dict(counts.most_common())


REPEATS = {
    "hf": "yes, by request and attempt",
    "ct2": "greedy ones; sampled ones are drawn anew each time",
    "endpoint": "as the server does",
    "vllm": "as vLLM does",
    "template": "yes",
}
"""Whether an engine writes the same text again for the same request and attempt."""


def _model_facts(model: ModelVersion) -> dict[str, object]:
    return {
        "digest": model.digest,
        "engine": model.engine,
        "texts_repeat": REPEATS[model.engine],
        "base": model.base,
        "parameters": model.parameters,
        "held_out_loss": model.held_out_loss,
        "corpus": model.corpus_fingerprint,
        "corpus_version": model.corpus_version,
    }


def _report_files(made: _Made, folder: RunFolder) -> ReportFiles:
    catalogue = folder.recall("catalogue", CatalogueSnapshot)
    return ReportFiles(
        report=str(folder.file("report.html")),
        batch=made.batch.paths,
        decisions=made.report.decisions,
        outcomes=made.outcomes.path,
        findings=str(folder.file("findings.parquet")),
        digests={
            "batch": made.batch.content_hash,
            "requests": made.batch.requests.fingerprint,
            "catalogue": catalogue.fingerprint if catalogue else "",
        },
    )


def _index(workspace: Workspace, summary: RunSummary) -> None:
    table = workspace.run_index()
    table.create(RUN_INDEX, stats=("line", "run_id", "date"))
    row = {
        "line": summary.line,
        "run_id": summary.run_id,
        "date": summary.date,
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "edition": summary.edition,
        "requests": summary.requests,
        "published": summary.states["published"],
        "unchanged": summary.states["unchanged"],
        "tokens": summary.tokens,
        "blocked": summary.blocked,
        "seconds": round(sum(summary.seconds.values()), 3),
        "model_digest": str(summary.model["digest"]),
        "report": summary.report,
        "summary": canonical_json(summary),
    }
    rows = pa.Table.from_pylist([row], schema=RUN_INDEX)
    table.append_once(lambda: rows, key=f"index:{summary.run_id}", note={"run_id": summary.run_id})


def table_of(summary: RunSummary) -> list[dict[str, object]]:
    """Terminal states as rows of a table; numbers and our own words only."""
    return [{"state": state, "requests": count} for state, count in summary.states.items()]


def doors_of(taken: Intake) -> list[dict[str, object]]:
    """What came to the doors as rows of a table; numbers and our own words only."""
    names = ("rows", "accepted", "quarantined", "repeated", "unlabelled", "withheld")
    parts = [part for part in (taken.catalogue, taken.corpus) if part is not None]
    return [
        {"door": part.door.name, "version": part.version, **{name: getattr(part.door, name) for name in names}}
        | {"came": part.shift.came, "changed": part.shift.changed, "went": part.shift.went}
        for part in parts
    ]


def markdown_of(summary: RunSummary) -> str:
    """The run in a few lines of Markdown; holds no generated text."""
    verdict = "BLOCKED, nothing published" if summary.blocked else f"{summary.states['published']} published"
    stages = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in summary.seconds.items())
    return "\n\n".join(
        [
            f"# {summary.line}, {summary.date}: {verdict}",
            f"Run `{summary.run_id}`, {summary.requests} requests, {summary.tokens} tokens, "
            f"{summary.tokens_per_second} tokens/s.",
            f"Seconds: {stages}.",
            f"Report: `{summary.report}`",
        ]
    )
