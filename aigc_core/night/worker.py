"""A worker process: writes and judges shards of one attempt until all are done, telling its parent how it goes.

    python -m aigc_core.night.worker LAKE RUN_ID ATTEMPT

Everything it shares with other workers is the lake. It ends when its parent does.
"""

import ctypes
import json
import logging
import os
import signal
import sys
from dataclasses import asdict
from types import FrameType

from aigc_core.errors import AigcError, Stopped
from aigc_core.events import LOGGER_NAME, Progress
from aigc_core.night.workers import Task, work

_PR_SET_PDEATHSIG = 1


class _Told(logging.Handler):
    """Progress as lines of JSON on stdout."""

    def emit(self, record: logging.LogRecord) -> None:
        event: Progress | None = getattr(record, "progress", None)
        if event is not None:
            print(json.dumps(asdict(event)), flush=True)  # noqa: T201 -- the parent reads it


def main() -> int:
    """Work; the exit code is that of the error that ended it."""
    _die_with_parent()
    signal.signal(signal.SIGTERM, _stop)
    logger = logging.getLogger(LOGGER_NAME)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(_Told())
    lake, run_id, attempt = sys.argv[1:4]
    try:
        work(Task(lake=lake, run_id=run_id, attempt=int(attempt)))
    except AigcError as error:
        print(error, file=sys.stderr, flush=True)  # noqa: T201 -- the parent repeats it
        return error.exit_code
    return 0


def _die_with_parent() -> None:
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _stop(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    raise Stopped("Told to stop.", "What was finished is kept.")


if __name__ == "__main__":
    sys.exit(main())
