"""Shows the library's progress: bars on a terminal, now and then a plain line elsewhere."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from aigc_core.events import LOGGER_NAME
from aigc_core.events import Progress as Event

PLAIN_EVERY = 5.0
"""Seconds between two plain lines of one stage."""


@contextmanager
def shown_progress(console: Console) -> Iterator[None]:
    """Show progress on the console while the block runs."""
    logger = logging.getLogger(LOGGER_NAME)
    handler: _Bars | _Lines = _Bars(console) if console.is_terminal else _Lines(console)
    level, propagate = logger.level, logger.propagate
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    try:
        with handler:
            yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


class _Bars(logging.Handler):
    def __init__(self, console: Console) -> None:
        super().__init__()
        self._tasks: dict[str, TaskID] = {}
        self._started: dict[str, float] = {}
        self._done: dict[str, int] = {}
        self._before: dict[str, int] = {}
        self._notes: set[str] = set()
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]ok[/]"),
            TextColumn("{task.description:<18}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[count]:>18}"),
            TextColumn("{task.fields[speed]:>14}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
        )

    def __enter__(self) -> None:
        self._progress.start()

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def emit(self, record: logging.LogRecord) -> None:
        event: Event | None = getattr(record, "progress", None)
        if event is None:
            return
        if event.done < self._done.get(event.stage, 0):
            self._started[event.stage] = time.monotonic()  # the next shard: its counts begin anew
            self._before[event.stage] = 0
        self._done[event.stage] = event.done
        self._before.setdefault(event.stage, event.tokens)
        if event.note and event.note not in self._notes:
            self._notes.add(event.note)
            self._progress.console.print(event.note, style="yellow", markup=False, highlight=False)
        if event.stage not in self._tasks:
            self._started[event.stage] = time.monotonic()
            self._tasks[event.stage] = self._progress.add_task(event.stage, total=event.total, count="", speed="")
        task = self._tasks[event.stage]
        speed = _speed(event, self._before[event.stage], time.monotonic() - self._started[event.stage])
        self._progress.update(task, completed=event.done, total=event.total, count=_count(event), speed=speed)


class _Lines(logging.Handler):
    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._last: dict[str, float] = {}
        self._started: dict[str, float] = {}
        self._done: dict[str, int] = {}
        self._before: dict[str, int] = {}

    def __enter__(self) -> None:
        """Nothing to start."""

    def __exit__(self, *_: object) -> None:
        """Nothing to stop."""

    def emit(self, record: logging.LogRecord) -> None:
        event: Event | None = getattr(record, "progress", None)
        if event is None:
            return
        now = time.monotonic()
        if event.done < self._done.get(event.stage, 0):
            self._started[event.stage] = now  # the next shard: its counts begin anew
            self._before[event.stage] = 0
        self._done[event.stage] = event.done
        before = self._before.setdefault(event.stage, event.tokens)
        started = self._started.setdefault(event.stage, now)
        if now - self._last.get(event.stage, -PLAIN_EVERY) < PLAIN_EVERY and event.done != event.total:
            return
        self._last[event.stage] = now
        words = [
            f"{event.stage}: {_count(event)} {event.unit}",
            _speed(event, before, now - started),
            event.left,
            event.note,
        ]
        self._console.print(" ".join(word for word in words if word), markup=False, highlight=False, soft_wrap=True)


def _count(event: Event) -> str:
    return f"{event.done:,}" if event.total is None else f"{event.done:,}/{event.total:,}"


def _speed(event: Event, before: int, seconds: float) -> str:
    """Tokens a second since the stage was first heard of, or what was spent."""
    tokens = event.tokens - before
    return f"{tokens / seconds:,.0f} tokens/s" if tokens > 0 and seconds > 1 else event.spent
