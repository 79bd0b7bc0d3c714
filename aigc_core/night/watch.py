"""A watchdog inside a worker: a process that stands still names what it stood over and ends itself.

Code that hangs with the interpreter's lock held stops the watchdog too; then the silence is seen from outside, by
whoever started the worker, and its claim runs out.
"""

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from aigc_core.errors import IntegrityBroken
from aigc_core.events import LOGGER_NAME, Progress, idle_seconds, report_progress, stir
from aigc_core.generation.flight import LEAST_PATIENCE, mark_stalled, patience
from aigc_core.storage.journal import Journal

LOOK = 1.0
"""Seconds between two looks, at most."""


class Watch:
    """Watches this process while the block runs."""

    def __init__(self, seconds: float) -> None:
        """Take the seconds without progress after which the process ends; fewer where rows are suspects already."""
        self._seconds = seconds
        self._over: tuple[str, Journal] | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._live, name="watch", daemon=True)

    def __enter__(self) -> "Watch":
        stir()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @contextmanager
    def over(self, name: str, journal: Journal) -> Iterator[None]:
        """Watch a piece of work by its name; without one nothing is ended."""
        stir()
        self._over = (name, journal)
        try:
            yield
        finally:
            self._over = None

    def _live(self) -> None:
        while not self._ended.wait(min(LOOK, self._seconds * LEAST_PATIENCE)):
            over, idle = self._over, idle_seconds()
            if over and idle > self._seconds * LEAST_PATIENCE and idle > self._patience(over[1]):
                _end(*over, idle)

    def _patience(self, journal: Journal) -> float:
        try:
            return patience(journal, self._seconds)
        except IntegrityBroken:
            return self._seconds


def _end(name: str, journal: Journal, idle: float) -> None:
    rows = mark_stalled(journal)
    note = f"{name} made no progress for {idle:,.0f} s over {rows:,} rows: its process ends, and they are tried apart"
    report_progress(Progress(stage="stall", done=0, total=rows, note=note))
    print(note, file=sys.stderr, flush=True)  # noqa: T201 -- the last words of a process
    for handler in logging.getLogger(LOGGER_NAME).handlers:
        handler.flush()
    os.kill(os.getpid(), signal.SIGKILL)
