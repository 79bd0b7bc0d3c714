"""A watchdog inside a worker: a process that stands still names what it stood over and ends itself.

Code that hangs with the interpreter's lock held stops the watchdog too: then a timer in C ends the process, half as
much later.
"""

import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from aigc_core.errors import AigcError
from aigc_core.events import Progress, idle_seconds, report_progress, stir
from aigc_core.generation.flight import LEAST_PATIENCE, mark_stalled, patience
from aigc_core.storage.journal import Journal

LOOK = 1.0
"""Seconds between two looks, at most."""
MARGIN = 1.5
"""The timer in C comes so many times later than the watchdog itself would."""
_STDERR = 2


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
        self._set_timer()
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
        try:
            while not self._ended.wait(min(LOOK, self._seconds * LEAST_PATIENCE)):
                self._set_timer()
                self._look()
        finally:
            faulthandler.cancel_dump_traceback_later()

    def _set_timer(self) -> None:
        # Runs in C and needs no lock: it ends a process whose every thread, the watching one too, stands still.
        faulthandler.dump_traceback_later(self._seconds * MARGIN, exit=True, file=_STDERR)

    def _look(self) -> None:
        over, idle = self._over, idle_seconds()
        if over is None or idle <= self._seconds * LEAST_PATIENCE:
            return
        given = self._seconds
        with suppress(AigcError, OSError):
            given = patience(over[1], self._seconds)
        if idle > given:
            _end(*over, idle)


def _end(name: str, journal: Journal, idle: float) -> None:
    try:
        rows = mark_stalled(journal)
        told = f" over {rows:,} rows: its process ends, and they are tried apart" if rows else ": its process ends"
        note = f"{name} made no progress for {idle:,.0f} s{told}"
        report_progress(Progress(stage="stall", done=0, total=rows, note=note))
        print(note, file=sys.stderr, flush=True)  # noqa: T201 -- the last words of a process
    finally:
        # Whatever the lake says to the mark: a process that stands still must end.
        os.kill(os.getpid(), signal.SIGKILL)
