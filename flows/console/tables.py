"""Runs and answers as tables that fit the screen."""

import csv
import io
import json
import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from aigc_core.records import Door, RunSummary


def show_summary(console: Console, summary: RunSummary) -> None:
    """The closing table of a run."""
    verdict = "[bold red]BLOCKED[/]" if summary.blocked else "[bold green]done[/]"
    console.print(f"{verdict} {escape(summary.line)} {summary.date}, run {escape(summary.run_id)}")
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column(style="dim", overflow="fold")
    for label, value, note in _lines(summary):
        table.add_row(label, value, escape(note))
    console.print(table)
    console.print(f"report: {escape(summary.report)}", soft_wrap=True, highlight=False)


def show_rows(console: Console, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Any rows; long cells fold."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(escape(column), overflow="fold")
    for row in rows:
        table.add_row(*(escape(visible(_plain(value))) for value in row))
    console.print(table)


def as_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV; a cell a spreadsheet would run as a formula gets a leading quote."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def as_json_lines(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows as one JSON object a line."""
    made = (dict(zip(columns, map(_finite, row), strict=True)) for row in rows)
    return "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in made)


def _lines(summary: RunSummary) -> Iterable[tuple[str, str, str]]:
    states = summary.states
    for door in summary.doors:
        reasons = ", ".join(f"{reason} {count}" for reason, count in door.reasons.items())
        note = f"{door.accepted:,} accepted, {door.quarantined:,} quarantined, {door.repeated:,} repeated"
        note += "".join(f", {count:,} {word}" for word, count in _apart(door).items() if count)
        yield f"{door.name} rows", f"{door.rows:,}", f"{note}{': ' + reasons if reasons else ''}"
    yield "requested", f"{summary.requests:,}", _counts(summary.planned)
    yield "unchanged", f"{states['unchanged']:,}", ""
    generated = summary.attempts.get("1", 0)
    again = {f"attempt {attempt}": count for attempt, count in summary.attempts.items() if attempt != "1"}
    yield "generated", f"{generated:,}", ""
    yield "regenerated", f"{sum(again.values()):,}", _counts(again)
    for state in ("rejected", "quarantined", "duplicate", "failed", "no_data", "withheld", "carried_over"):
        if states[state]:
            yield state, f"{states[state]:,}", ""
    if held := {reason: count for reason, count in summary.reasons.items() if _is_outcome(reason, summary)}:
        yield "reasons", "", _counts(dict(list(held.items())[:8]))
    shelf = "" if summary.edition is None else f"edition {summary.edition}"
    yield "published", f"{states['published']:,}", shelf
    if summary.withdrawn:
        yield "withdrawn", f"{summary.withdrawn:,}", "texts whose item left the catalogue, or that fail today's rules"
    for warning in (warning for door in summary.doors for warning in door.warnings):
        yield "note", "", warning
    wasted = f"; wasted: {_counts(summary.wasted)}" if summary.wasted else ""
    yield "tokens", f"{summary.tokens:,}", f"{summary.tokens_per_second:,.0f} tokens/s{wasted}"
    yield "seconds", f"{sum(summary.seconds.values()):,.1f}", _counts(summary.seconds)
    if "per_published" in summary.cost:
        price = f"{float(summary.cost['per_published']):.2g} {summary.cost['currency']}"
        yield "cost", f"{float(summary.cost['total']):.4f}", f"{price} a published text"
    for gate in summary.gates:
        if not gate.passed:
            yield f"gate {gate.gate_id}", gate.level, f"{gate.measure} is {gate.value}, must be {gate.rule}"


def _apart(door: Door) -> dict[str, int]:
    return {"unlabelled": door.unlabelled, "withheld": door.withheld}


def _is_outcome(reason: str, summary: RunSummary) -> bool:
    at_a_door = any(reason == f"{door.name} {why}" for door in summary.doors for why in door.reasons)
    return not at_a_door and reason not in summary.planned


def _counts(counts: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _plain(value: object) -> str:
    return "" if value is None else str(value)


def visible(text: str) -> str:
    """Control and direction characters spelt out: a text must not drive the terminal."""
    return "".join(
        f"<U+{ord(char):04X}>" if unicodedata.category(char) in ("Cc", "Cf", "Cs") else char for char in text
    )


def _cell(value: object) -> str:
    return _unformula(value) if isinstance(value, str) else _plain(value)


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _unformula(cell: str) -> str:
    return f"'{cell}" if cell.lstrip()[:1] in tuple("=+-@＝＋－＠") or cell[:1] in ("\t", "\r") else cell
