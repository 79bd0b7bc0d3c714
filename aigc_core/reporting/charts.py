"""Small charts as inline SVG: text stays text, colours come from the page, equal input gives equal bytes."""

import html
import io
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 360
"""Units of a chart's view box; a unit is about a pixel on the page."""
NARROW = 290
"""The same for histograms, of which three stand in a row."""
LABEL_LENGTH = 52
# Stand-ins, replaced after drawing by the page's own variables, which know dark from light.
_COLOURS = {
    "#010101": "var(--ink)",
    "#020202": "var(--muted)",
    "#030303": "var(--line)",
    "#040404": "var(--accent)",
    "#050505": "var(--ok)",
    "#060606": "var(--warn)",
    "#070707": "var(--bad)",
    "#080808": "var(--soft)",
}
_INK, _MUTED, _LINE, _ACCENT, _OK, _WARN, _BAD, _SOFT = _COLOURS
# From what was never generated to what was refused last; what is left was published.
_FUNNEL = {
    "unchanged": _MUTED,
    "no_data": _MUTED,
    "withheld": _MUTED,
    "carried_over": _MUTED,
    "failed": _BAD,
    "duplicate": _WARN,
    "quarantined": _WARN,
    "rejected": _BAD,
    "published": _OK,
}
_FONT = 10.0
_ABOVE: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (1, 1), "borderaxespad": 0, "ncols": 2}
_BAR_PITCH = 30
_UNDRAWABLE = re.compile(r"[^\x20-\x7e\xa0-\xff]")


def length_histogram(counts: Sequence[int], *, low: float, high: float, name: str = "length") -> str:
    """Texts by length: equal bins from `low` to `high` characters."""
    return _histogram(counts, low=low, high=high, name=name, axis="characters")


def score_histogram(counts: Sequence[int], *, low: float, high: float, name: str = "score") -> str:
    """Texts by one score column: equal bins from `low` to `high`, in the score's own unit."""
    return _histogram(counts, low=low, high=high, name=name, axis="")


def loss_curve(points: Sequence[tuple[int, float, float | None]]) -> str:
    """Training and held-out loss, nats per completion token, over optimiser steps."""
    training = [(step, loss) for step, loss, _ in points if math.isfinite(loss)]
    held_out = [(step, loss) for step, _, loss in points if loss is not None and math.isfinite(loss)]
    from matplotlib.ticker import MaxNLocator

    figure, axes = _plot(WIDTH, 190)
    axes.set_position((0.08, 0.17, 0.90, 0.71))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    if training:
        axes.plot(*zip(*training, strict=True), color=_MUTED, linewidth=1.1, label="training")
    if held_out:
        axes.plot(
            *zip(*held_out, strict=True),
            color=_ACCENT,
            linewidth=1.8,
            marker="o",
            markersize=4,
            label="held out",
        )
    if training or held_out:
        axes.legend(frameon=False, fontsize=_FONT, labelcolor=_INK, **_ABOVE)
    axes.set_xlabel("step", fontsize=_FONT, color=_MUTED, labelpad=2)
    return _svg(figure, name="loss", label="Training and held-out loss over optimiser steps")


def stage_bars(seconds: Mapping[str, float]) -> str:
    """Seconds by stage, one bar a stage, in the order given."""
    rows = [(stage, spent, duration(spent), _ACCENT) for stage, spent in seconds.items()]
    return _bars(rows, name="stages", label="Seconds by stage")


def reason_bars(reasons: Mapping[str, int], *, most: int = 8) -> str:
    """Rows by reason, the `most` frequent first, numbered as a table in the same order would be."""
    ranked = ranked_counts(reasons)[:most]
    rows = [(f"{n}. {reason}", rows, f"{rows:,}", _ACCENT) for n, (reason, rows) in enumerate(ranked, 1)]
    return _bars(rows, name="reasons", label="Rows by reason")


def state_funnel(requests: int, states: Mapping[str, int], *, kept: str = "published") -> str:
    """From all requests to what was published (named `kept`): each state takes its share off the end."""
    order = [state for state in _FUNNEL if states.get(state)]
    figure, axes = _bar_plot(len(order) + 1, scale=max(requests, 1))
    _bar(axes, 0, ("requests", 0.0, float(requests), f"{requests:,}", _MUTED))
    left = float(sum(states.values()))
    for row, state in enumerate(order, 1):
        left -= states[state]
        rows = states[state]
        name = kept if state == "published" else state.replace("_", " ")
        _bar(axes, row, (name, left, float(rows), f"{rows:,}", _FUNNEL[state]))
    return _svg(figure, name="funnel", label="Requests by terminal state")


def ranked_counts(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Largest first; equal ones by name, so that the order never depends on the run."""
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def duration(seconds: float) -> str:
    """A length of time for reading: `0.4 s`, `48 s`, `12 min 05 s`, `3 h 20 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _histogram(counts: Sequence[int], *, low: float, high: float, name: str, axis: str) -> str:
    figure, axes = _plot(NARROW, 120)
    axes.set_position((0.12, 0.3 if axis else 0.18, 0.85, 0.66 if axis else 0.78))
    width = (high - low) / max(len(counts), 1)
    edges = [low + width * i for i in range(len(counts) + 1)]
    if counts:
        axes.stairs(counts, edges, fill=True, color=_ACCENT, linewidth=0)
    axes.set_xlim(low, high)
    axes.set_ylim(0, max([*counts, 1]) * 1.08)
    if axis:
        axes.set_xlabel(axis, fontsize=_FONT, color=_MUTED, labelpad=2)
    return _svg(figure, name=name, label=f"Histogram from {low:g} to {high:g}")


def _plot(width: float, height: float) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    figure = Figure(figsize=(width / 72, height / 72), dpi=72, facecolor="none")
    axes = figure.add_axes((0.11, 0.17, 0.86, 0.78), facecolor="none")
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_LINE)
    axes.grid(axis="y", color=_LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(left=False, bottom=False, labelsize=_FONT, labelcolor=_MUTED)
    axes.yaxis.set_major_locator(MaxNLocator(3, min_n_ticks=2))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(_tick))
    axes.yaxis.set_major_formatter(FuncFormatter(_tick))
    return figure, axes


def _bars(rows: Sequence[tuple[str, float, str, str]], *, name: str, label: str) -> str:
    """One (label, size, words, colour) a row, each bar from the left edge."""
    figure, axes = _bar_plot(max(len(rows), 1), scale=max([row[1] for row in rows] + [1e-9]))
    for number, (words, size, value, colour) in enumerate(rows):
        _bar(axes, number, (words, 0.0, size, value, colour))
    return _svg(figure, name=name, label=label)


def _bar_plot(rows: int, *, scale: float) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH / 72, rows * _BAR_PITCH / 72), dpi=72, facecolor="none")
    axes = figure.add_axes((0, 0, 1, 1), facecolor="none")
    axes.set_axis_off()
    axes.set_xlim(0, scale)
    axes.set_ylim(rows, 0)
    return figure, axes


def _bar(axes: "Axes", row: int, bar: tuple[str, float, float, str, str]) -> None:
    """Words above on the left, number above on the right, the bar on its pale track below."""
    words, start, size, value, colour = bar
    scale = axes.get_xlim()[1]
    # A state of one row in a million is still to be seen.
    shown = max(size, scale * 0.004) if size else 0.0
    axes.barh([row + 0.72], [scale], height=0.24, color=_SOFT, linewidth=0)
    axes.barh([row + 0.72], [shown], left=[min(start, scale - shown)], height=0.24, color=colour, linewidth=0)
    _word(axes, row, _drawable(words), x=0.0, colour=_INK)
    _word(axes, row, value, x=scale, colour=_MUTED)


def _word(axes: "Axes", row: int, text: str, *, x: float, colour: str) -> None:
    side = "right" if x else "left"
    axes.text(x, row + 0.44, text, color=colour, ha=side, fontsize=_FONT, va="baseline", parse_math=False)


def _drawable(text: str) -> str:
    """A label in letters every font has; the page's tables carry the words in full."""
    clean = _UNDRAWABLE.sub("?", " ".join(text.split()))
    return clean if len(clean) <= LABEL_LENGTH else clean[: LABEL_LENGTH - 3].rstrip() + "..."


def _tick(value: float, _: int | None = None) -> str:
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}"
    return f"{value:.3g}"


def _svg(figure: "Figure", *, name: str, label: str) -> str:
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer = io.StringIO()
    # The salt keeps ids equal from run to run and apart from chart to chart.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        FigureCanvasSVG(figure)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return _inline(buffer.getvalue(), label=_drawable(label))


def _inline(document: str, *, label: str) -> str:
    """The drawing alone: no prologue, namespaces, metadata, page-wide styles or unused ids."""
    box = re.search(r'viewBox="([^"]*)"', document)
    body = re.sub(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</defs>|<!--.*?-->", "", document, flags=re.DOTALL)
    body = body[body.index(">", body.index("<svg")) + 1 :]
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', body))
    body = re.sub(r' id="([^"]*)"', lambda match: match[0] if match[1] in used else "", body)
    body = re.sub(r"font-family: [^;\"]*; ?| transform=\"rotate\(-0 [^)]*\)\"", "", body)
    body = re.sub(r"(?<=: )#0\d0\d0\d(?=[;\"])", lambda match: _COLOURS[match[0]], body)
    body = re.sub(r"\n\s*", "\n", body).strip()
    view = box[1] if box else f"0 0 {WIDTH} {WIDTH}"
    return f'<svg class="chart" viewBox="{view}" role="img" aria-label="{html.escape(label)}">\n{body}'
