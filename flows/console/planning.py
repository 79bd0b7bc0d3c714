"""`aigc plan`: a night told beforehand, and the question asked where it would pass a cap."""

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from aigc_core.night.forecast import foresee
from aigc_core.records import Estimate, Forecast, Order
from aigc_core.reporting.economics import amount
from aigc_core.workspace import quiet_process
from flows.console.ingesting import conservation
from flows.console.progress import shown_progress
from flows.console.tables import visible


def look_ahead(console: Console, *, calibrate: bool, **order: object) -> Forecast:
    """The forecast of an order, with progress shown.

    Raises:
        UserError: the order cannot be carried out.
    """
    quiet_process()
    with shown_progress(console):
        return foresee(Order(**order), calibrate=calibrate)  # type: ignore[arg-type]


def show_forecast(console: Console, found: Forecast) -> None:
    """Requests by reason, what they are expected to take, and the caps they would pass."""
    writer = found.model[:12] or "a model trained first"
    console.print(
        f"[bold]plan[/] {escape(found.line)} {found.date}, engine {found.engine}, model {escape(writer)}",
        highlight=False,
    )
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", overflow="fold")
    table.add_column(justify="right")
    table.add_column(style="dim", overflow="fold")
    for label, value, note in _lines(found):
        table.add_row(escape(visible(label)), value, escape(visible(note)))
    console.print(table)
    for words in found.caps:
        console.print(f"[bold yellow]cap[/] {escape(words)}: a night asks before it goes on", highlight=False)


def _lines(found: Forecast) -> Iterator[tuple[str, str, str]]:
    yield "catalogue", f"{found.door.rows:,}", conservation(found.door)
    yield "requests", f"{found.requests:,}", "an item in a locale each"
    for reason, count in found.reasons.items():
        yield f"  {reason}", f"{count:,}", ""
    yield "to generate", f"{found.to_generate:,}", ""
    yield from _taken(found.estimate, found.currency)
    for note in found.notes:
        yield "note", "", note


def _taken(estimate: Estimate, currency: str) -> Iterator[tuple[str, str, str]]:
    yield "texts", _about(estimate.texts), f"from {estimate.basis}" if estimate.tokens else estimate.basis
    yield "tokens", _about(estimate.tokens), ""
    yield "seconds", _about(estimate.seconds), "" if estimate.seconds is None else _clock(estimate.seconds)
    yield "money", "?" if estimate.money is None else amount(estimate.money, currency), ""


def _about(value: float | None) -> str:
    return "?" if value is None else f"{value:,.0f}"


def _clock(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"
