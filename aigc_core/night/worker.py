"""A worker process: writes and judges shards of a run until all are done, telling its parent how it goes.

    python -m aigc_core.night.worker LAKE RUN_ID [PARENT]

Everything it shares with other workers is the lake. With the number of its parent process it ends when that does.
"""

import ctypes
import json
import logging
import os
import signal
import sys
import threading
from dataclasses import asdict
from types import FrameType
from typing import IO

from aigc_core.errors import AigcError, Stopped, StopSignal
from aigc_core.events import LOGGER_NAME, Progress
from aigc_core.night.work import work
from aigc_core.records import Task

_PR_SET_PDEATHSIG = 1
BEAT = 2.0
"""Seconds between two signs of life; work that hangs without the interpreter's lock does not stop them."""


class _Told(logging.Handler):
    """Progress as lines of JSON to the parent."""

    def __init__(self, parent: IO[str]) -> None:
        super().__init__()
        self._parent = parent
        self._writing = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        event: Progress | None = getattr(record, "progress", None)
        if event is not None:
            self.say(asdict(event))

    def say(self, line: object) -> None:
        """Tell the parent one thing."""
        with self._writing:
            self._parent.write(json.dumps(line) + "\n")
            self._parent.flush()

    def beat(self) -> None:
        """Tell the parent now and then that this process lives."""
        while True:
            threading.Event().wait(BEAT)
            self.say(asdict(Progress(stage="alive", done=0, total=None)))


def main() -> int:
    """Work; the exit code is that of the error that ended it."""
    lake, run_id, *parent = sys.argv[1:]
    if parent:
        _die_with(int(parent[0]))
    signal.signal(signal.SIGTERM, _stop)
    # What libraries print goes to stderr: stdout belongs to the parent.
    told = _Told(os.fdopen(os.dup(1), "w"))
    os.dup2(2, 1)
    logger = logging.getLogger(LOGGER_NAME)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(told)
    threading.Thread(target=told.beat, name="beat", daemon=True).start()
    try:
        work(Task(lake=lake, run_id=run_id))
    except StopSignal:
        return Stopped.exit_code
    except AigcError as error:
        told.say({"error": type(error).__name__, "args": [str(part) for part in error.args]})
        print(error, file=sys.stderr, flush=True)  # noqa: T201 -- a person may have started it
        return error.exit_code
    return 0


def _die_with(parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _stop(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    raise StopSignal


if __name__ == "__main__":
    sys.exit(main())
