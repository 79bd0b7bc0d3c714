"""A stop signal is no failure of whatever it interrupts."""

import pyarrow as pa
import pytest

from aigc_core.checks.base import TEXTS, CheckResult
from aigc_core.checks.registry import run_checks
from aigc_core.errors import AigcError, Stopped, StopSignal
from flows.console.stopping import stoppable


class Interrupted:
    """A check that the signal strikes."""

    check_id, version, params_digest, score_columns = "X", "1", "", ()

    def __call__(self, batch: pa.RecordBatch) -> CheckResult:
        raise StopSignal


def test_a_struck_check_holds_no_text_back() -> None:
    with pytest.raises(StopSignal):
        run_checks([Interrupted()], pa.RecordBatch.from_pylist([], schema=TEXTS))


def test_an_engine_that_trips_over_the_signal_is_stopped_by_it() -> None:
    from prefect.exceptions import TerminationSignal

    tripped = ValueError("Task run is not set")
    tripped.__context__ = TerminationSignal(signal=15)
    with pytest.raises(Stopped, match="What was finished is kept"), stoppable():
        raise tripped
    with pytest.raises(ValueError, match="of its own"), stoppable():
        raise ValueError("of its own")


def test_at_the_edge_it_is_told_in_words() -> None:
    with pytest.raises(Stopped, match="The same command goes on where it stopped") as told, stoppable():
        raise StopSignal
    assert isinstance(told.value, AigcError)
    assert told.value.exit_code == 75
