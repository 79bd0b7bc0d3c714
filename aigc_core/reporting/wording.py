"""A run in a few words and numbers: the verdict, the key figures, whether the states add up."""

import math
from dataclasses import dataclass

from aigc_core.records import TERMINAL_STATES, Gate, RunSummary
from aigc_core.reporting.economics import amount

DECIDED = ("published", "rejected", "quarantined", "duplicate", "failed")
"""States of requests for which text was generated."""
MEANINGS = {
    "published": "went out with this edition",
    "rejected": "broke a blocking rule",
    "quarantined": "held for a person to look at",
    "duplicate": "too close to another text",
    "unchanged": "already decided, nothing changed",
    "no_data": "required attributes are missing",
    "withheld": "taken down before",
    "failed": "no text could be made",
    "carried_over": "left for the next run by the deadline",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The run in one line."""

    tone: str
    """`ok`, `idle` or `bad`."""
    headline: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number with its name."""

    label: str
    value: str
    note: str = ""
    tone: str = ""


def verdict_of(summary: RunSummary, *, generated: int) -> Verdict:
    """Published, nothing to do, or blocked and why."""
    refused = [gate for gate in summary.gates if gate.level == "block" and not gate.passed]
    warned = [gate for gate in summary.gates if gate.level != "block" and not gate.passed]
    notes = tuple(f"{'Refused' if gate in refused else 'Warned'}: {gate_in_words(gate)}" for gate in refused + warned)
    if summary.blocked:
        return Verdict(tone="bad", headline=_blocked(len(refused), summary.states.get("published", 0)), notes=notes)
    published = summary.states.get("published", 0)
    if published:
        edition = "" if summary.edition is None else f" as edition {summary.edition}"
        return Verdict(tone="ok", headline=f"Published {texts(published)}{edition}.", notes=notes)
    if generated:
        return Verdict(tone="idle", headline=f"Published nothing: none of {texts(generated)} passed.", notes=notes)
    return Verdict(tone="idle", headline="Nothing to do: no request needed a new text.", notes=notes)


def gate_in_words(gate: Gate) -> str:
    """E.g. `H-2, reject_share is 0.31, must be <= 0.05`."""
    value = "could not be taken" if gate.value is None else f"is {number(gate.value, 6)}"
    return f"{gate.gate_id}, {gate.measure} {value}, must be {gate.rule}"


def key_figures(summary: RunSummary, *, generated: int) -> list[Figure]:
    """The numbers that come first; every one is the summary's, but for `generated`, the batch's rows."""
    states = summary.states
    made = sum(summary.attempts.values())
    return [
        Figure(label="Requests", value=f"{summary.requests:,}"),
        Figure(label="Unchanged", value=f"{states.get('unchanged', 0):,}"),
        Figure(label="Generated", value=f"{generated:,}", note=f"{texts(made)} in all attempts" if made else ""),
        _kept(summary),
        Figure(label="Rejected", value=f"{states.get('rejected', 0):,}"),
        Figure(label="Quarantined", value=f"{states.get('quarantined', 0):,}"),
        Figure(label="Duplicate", value=f"{states.get('duplicate', 0):,}"),
        Figure(label="Failed", value=f"{states.get('failed', 0):,}", tone="bad" if states.get("failed") else ""),
        Figure(
            label="Tokens a second",
            value=number(summary.tokens_per_second),
            note=f"{summary.tokens:,} tokens",
        ),
        _price(summary),
        *([Figure(label="Withdrawn", value=f"{summary.withdrawn:,}")] if summary.withdrawn else []),
    ]


def kept_word(summary: RunSummary) -> str:
    """What the state `published` is called: a blocked run published nothing."""
    return "publishable" if summary.blocked else "published"


def conservation(summary: RunSummary) -> str:
    """The sum over the terminal states, set beside the requests."""
    names = {"published": kept_word(summary)}
    parts = [f"{names.get(state, state).replace('_', ' ')} {rows:,}" for state, rows in summary.states.items()]
    total = sum(summary.states.values())
    line = f"{' + '.join(parts) or '0'} = {total:,}"
    if conserved(summary):
        return f"{line} = requests"
    return f"{line}, but there were {summary.requests:,} requests: {summary.requests - total:+,} unaccounted for"


def conserved(summary: RunSummary) -> bool:
    """Whether every request ended in one of the known states, exactly once."""
    return sum(summary.states.values()) == summary.requests and set(summary.states) <= set(TERMINAL_STATES)


def texts(count: int) -> str:
    """`1 text`, `12 texts`."""
    return f"{count:,} text" if count == 1 else f"{count:,} texts"


def number(value: float, digits: int = 3) -> str:
    """Whole numbers with separators, others to so many significant digits; always with a true minus sign."""
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}".replace("-", "−")
    return (f"{value:,.1f}" if abs(value) >= 100 else f"{value:.{digits}g}").replace("-", "−")


def share(part: int, whole: int) -> str:
    """A percentage; `0 %` and `100 %` stand for exactly nothing and exactly all."""
    if not whole:
        return ""
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return "< 0.1 %"
    if 99.9 < percent < 100:
        return "> 99.9 %"
    return f"{percent:.0f} %" if percent in (0, 100) else f"{percent:.1f} %"


def _blocked(refused: int, publishable: int) -> str:
    gates = {0: "no gate was evaluated", 1: "1 gate refused"}.get(refused, f"{refused} gates refused")
    held = f", and {texts(publishable)} that passed by themselves were held back" if publishable else ""
    return f"Blocked, nothing was published: {gates}{held}."


def _kept(summary: RunSummary) -> Figure:
    rows = summary.states.get("published", 0)
    note, tone = ("held back", "") if summary.blocked else ("", "ok" if rows else "")
    return Figure(label=kept_word(summary).capitalize(), value=f"{rows:,}", note=note, tone=tone)


def _price(summary: RunSummary) -> Figure:
    cost, currency = summary.cost, str(summary.cost.get("currency", ""))
    note = f"{amount(float(cost['total']), currency)} in all" if "total" in cost else ""
    if summary.blocked or "per_published" not in cost:
        return Figure(label="Cost a published text", value="none", note=note)
    return Figure(label="Cost a published text", value=amount(float(cost["per_published"]), currency), note=note)
