"""One finished run as one self-contained HTML page that opens offline, loads nothing and runs no script."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from aigc_core.records import TERMINAL_STATES, ModelVersion, RunSummary
from aigc_core.reporting import charts, tallies, wording
from aigc_core.reporting.economics import amount
from aigc_core.reporting.lineage import lineage_of
from aigc_core.reporting.samples import SampleGroup, pick_samples
from aigc_core.storage.files import write_text

MOST_ROWS = 30
"""Rows of a table whose length the data decides; the rest is added up in one line."""
MOST_CATEGORIES = 12
# Control, bidirectional, zero-width and tag characters, lone surrogates: shown by number, not passed on.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFiles:
    """Where a run's rows stand and where its page goes. An empty path leaves that part of the page out."""

    report: str
    """The page to write, e.g. `runs/<run_id>/report.html`."""
    batch: tuple[str, ...] = ()
    decisions: str = ""
    outcomes: str = ""
    findings: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)
    """`batch`, `requests`, `catalogue` -> fingerprint or content hash, for the lineage."""


def write_run_report(summary: RunSummary, files: ReportFiles, *, title: str, model: ModelVersion) -> str:
    """Write the page atomically and return its path. Rows are streamed, never collected.

    Args:
        summary: the run; every number it has is shown as it has it.
        files: the run's Parquet files.
        title: the content line's title.
        model: what wrote the texts.

    Raises:
        IntegrityBroken: a named file is missing or damaged.
        LakeUnusable: the page cannot be written.
    """
    page = environment().get_template("run_report.html").render(_view(summary, files, title=title, model=model))
    write_text(Path(files.report), page)
    return files.report


def environment() -> Environment:
    """Everything that is not our own drawing is escaped, and what cannot be seen is spelt out."""
    made = Environment(
        loader=PackageLoader("aigc_core.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"number": wording.number, "share": wording.share, "duration": charts.duration}
    return made


def _visible(value: object) -> object:
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return _HIDDEN.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", value)


def _view(summary: RunSummary, files: ReportFiles, *, title: str, model: ModelVersion) -> dict[str, object]:
    generated = tallies.rows_in(files.batch)
    return {
        "title": title,
        "run": summary,
        "kept": wording.kept_word(summary),
        "model": model,
        "verdict": wording.verdict_of(summary, generated=generated),
        "figures": wording.key_figures(summary, generated=generated),
        "conservation": wording.conservation(summary),
        "conserved": wording.conserved(summary),
        "lineage": lineage_of(summary, model, digests=files.digests, generated=generated),
        **_states(summary, files),
        **_reasons(summary, files),
        **_checks(summary, files),
        **_spreads(files),
        **_samples(files),
        **_model(summary, model),
        **_money(summary),
    }


def _states(summary: RunSummary, files: ReportFiles) -> dict[str, object]:
    known = [state for state in TERMINAL_STATES if state in summary.states]
    strange = [state for state in summary.states if state not in TERMINAL_STATES]
    outcomes = [files.outcomes] if files.outcomes else []
    categories = tallies.by_first(tallies.count_groups(outcomes, ["category", "state"]))
    by_size = sorted(categories, key=lambda name: (-sum(categories[name].values()), name))
    return {
        "states": [(state, wording.MEANINGS.get(state, ""), summary.states[state]) for state in known + strange],
        "funnel": _drawing(charts.state_funnel(summary.requests, summary.states, kept=wording.kept_word(summary))),
        "locales": _table(tallies.by_first(tallies.count_groups(outcomes, ["locale", "state"]))),
        "categories": _table(
            {name or "(none)": categories[name] for name in by_size[:MOST_CATEGORIES] if any(categories)}
        ),
        "categories_left": max(0, len(by_size) - MOST_CATEGORIES),
        "groups": _table(summary.seen),
    }


def _table(nested: Mapping[str, Mapping[str, int]]) -> dict[str, object]:
    """Rows by terminal states that occur, and which share of those with a text went out."""
    columns = [state for state in TERMINAL_STATES if any(counts.get(state) for counts in nested.values())]
    rows = []
    for name, counts in nested.items():
        decided = sum(counts.get(state, 0) for state in wording.DECIDED)
        numbers = [counts.get(state, 0) for state in columns]
        rows.append((name, sum(counts.values()), numbers, wording.share(counts.get("published", 0), decided)))
    return {"columns": columns, "rows": rows}


def _reasons(summary: RunSummary, files: ReportFiles) -> dict[str, object]:
    source = files.outcomes or files.decisions
    states = tallies.by_first(tallies.count_groups([source] if source else [], ["reason", "state"]))
    ranked = charts.ranked_counts(summary.reasons)
    return {
        "why": _shortened(charts.ranked_counts(summary.planned)),
        "reasons": [(reason, rows, sorted(states.get(reason, {}))) for reason, rows in _shortened(ranked)],
        "reasons_chart": _drawing(charts.reason_bars(summary.reasons)) if ranked else None,
        "reasons_total": sum(summary.reasons.values()),
    }


def _shortened(ranked: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    rest = ranked[MOST_ROWS:]
    tail = [(f"{len(rest)} further reasons", sum(rows for _, rows in rest))] if rest else []
    return [*ranked[:MOST_ROWS], *tail]


def _checks(summary: RunSummary, files: ReportFiles) -> dict[str, object]:
    """Rows by check from the summary; single findings by severity and the commonest reason from the file."""
    found = tallies.count_groups([files.findings] if files.findings else [], ["check_id", "severity", "reason"])
    severities = tallies.by_first(_regrouped(found, 1))
    reasons = tallies.by_first(_regrouped(found, 2))
    rows = []
    for check, count in charts.ranked_counts(summary.findings):
        common = charts.ranked_counts(reasons.get(check, {}))
        rows.append((check, count, severities.get(check, {}), common[0][0] if common else ""))
    return {"checks": rows, "checks_detailed": bool(found)}


def _regrouped(groups: tallies.Groups, second: int) -> tallies.Groups:
    """The same counts by the first and one other column."""
    counts: tallies.Groups = {}
    for key, rows in groups.items():
        pair = (key[0], key[second])
        counts[pair] = counts.get(pair, 0) + rows
    return counts


def _spreads(files: ReportFiles) -> dict[str, object]:
    spreads = tallies.scores(files.batch)
    varied = [spread for spread in spreads if spread.low < spread.high]
    return {
        "lengths": [
            (
                spread,
                _drawing(charts.length_histogram(spread.counts, low=spread.low, high=spread.high, name=f"l{n}")),
            )
            for n, spread in enumerate(tallies.text_lengths(files.batch))
        ],
        "scores": [
            (
                spread,
                _drawing(charts.score_histogram(spread.counts, low=spread.low, high=spread.high, name=f"s{n}")),
            )
            for n, spread in enumerate(varied)
        ],
        "constants": [spread for spread in spreads if spread.low == spread.high],
    }


def _samples(files: ReportFiles) -> dict[str, object]:
    groups: tuple[SampleGroup, ...] = pick_samples(files.decisions, files.batch) if files.decisions else ()
    return {
        "published_samples": [group for group in groups if group.state == "published" and group.samples],
        "refused_samples": [group for group in groups if group.state != "published" and group.samples],
    }


def _model(summary: RunSummary, model: ModelVersion) -> dict[str, object]:
    loss = "not measured" if model.held_out_loss is None else f"{model.held_out_loss:.4f} nats a token"
    facts = {
        "engine": model.engine,
        "base": model.base,
        "digest": model.digest,
        "parameters": f"{model.parameters:,}" if model.parameters else "none",
        "training tokens": f"{model.training_tokens:,}" if model.training_tokens else "none",
        "training time": charts.duration(model.training_seconds) if model.training_seconds else "none",
        "held-out loss": loss,
        "corpus fingerprint": model.corpus_fingerprint or "none",
    }
    shown = {"line", "path", "loss_curve", *(name.replace(" ", "_").replace("-", "_") for name in facts)}
    more = {
        name.replace("_", " "): value
        for name, value in summary.model.items()
        if name not in shown | {"training_seconds"} and isinstance(value, str | int | float) and value != ""
    }
    return {
        "model_facts": facts | more,
        "loss": _drawing(charts.loss_curve(model.loss_curve)) if model.loss_curve else None,
    }


def _money(summary: RunSummary) -> dict[str, object]:
    cost, currency = summary.cost, str(summary.cost.get("currency", ""))
    names = {
        "total": "The whole run",
        "per_generated": "Each generated request",
        "per_published": "Each published text",
        "human_baseline_per_text": "A text by a person",
        "device_hour": "An hour of the machine",
    }
    return {
        "cost": [(words, amount(float(cost[key]), currency)) for key, words in names.items() if key in cost],
        "cost_notes": [str(cost[key]) for key in ("comparison", "basis", "baseline") if key in cost],
        "stages": _drawing(charts.stage_bars(summary.seconds)) if summary.seconds else None,
        "seconds": sum(summary.seconds.values()),
    }


def _drawing(svg: str) -> Markup:
    return Markup(svg)  # noqa: S704 -- our own drawing; its labels are escaped and plain letters
