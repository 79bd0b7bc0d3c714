"""SIGTERM: what is finished is kept, and the exit code says that the same command goes on."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from aigc_core.errors import Stopped, StopSignal


@contextmanager
def stoppable() -> Iterator[None]:
    """Let SIGTERM end the block as `Stopped`; a second one ends the process at once.

    Prefect takes the signal first while a flow runs, ends the flow, and sends it again: then it arrives here.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        yield
    except StopSignal as signalled:
        raise Stopped(
            "Told to stop.", "What was finished is kept.", "The same command goes on where it stopped."
        ) from signalled
    finally:
        signal.signal(signal.SIGTERM, before)


def _stop(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    raise StopSignal
