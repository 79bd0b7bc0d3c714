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
        raise _stopped() from signalled
    except Exception as error:
        # Where the signal strikes Prefect's own engine, that may trip over itself, and never sends it again.
        if _is_from_signal(error):
            raise _stopped() from error
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _stopped() -> Stopped:
    return Stopped("Told to stop.", "What was finished is kept.", "The same command goes on where it stopped.")


def _is_from_signal(error: BaseException) -> bool:
    """Whether an error came while a signal that ends the process was answered."""
    from prefect.exceptions import TerminationSignal

    told: BaseException | None = error
    while told is not None:
        if isinstance(told, TerminationSignal | StopSignal):
            return True
        told = told.__cause__ or told.__context__
    return False


def _stop(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    raise StopSignal
