"""Writing the rows that are missing, so that a row that kills its process or its engine ends alone.

What is in flight is marked before the engine begins. A process that ends without a word died over those rows that the
journal does not hold; after two such deaths they are cut in halves, down to the one row that is at fault. An engine
that raises is tried on halves at once; one that fails on row after row, and then on one it wrote before, is broken.
"""

from collections.abc import Generator as Yielding
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from aigc_core.engines.base import GeneratedText, Generator, TextRequest
from aigc_core.errors import AigcError, EngineBroken
from aigc_core.records import Sampling
from aigc_core.storage.journal import Journal
from aigc_core.storage.processes import Process, this_process

DEATHS = 2
"""Deaths after which rows in flight are cut in halves, and a single one is given up."""
DIED = "the process died twice while writing this row"
HUNG = "writing this row made no progress, twice, until its process was ended"
GIVEN_UP = (DIED, HUNG)
"""Errors of rows that no later attempt asks for: they would cost two more processes."""
LEAST_PATIENCE = 1 / 8
"""Of the seconds without progress that a worker is given, when its rows are suspects."""
SUSPECT = 3
"""Rows failed one after another after which the engine is tried on a row that it wrote before."""
HOPELESS = 16
"""Rows failed one after another after which an engine that wrote none yet is taken for broken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """What a worker has in hand."""

    groups: tuple[tuple[str, ...], ...]
    """Request keys; the first group is being written, the others wait."""
    deaths: int
    """Of processes, over the first group."""
    process: Process
    stalls: int = 0
    """How often a process was ended because these rows, or more rows around them, made no progress."""
    stalled: bool = False
    """Whether the last process was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """What writes, and how."""

    generator: Generator
    sampling: Sampling
    attempt: int


def write_missing(
    requests: Sequence[TextRequest], writing: Writing, journal: Journal
) -> Yielding[GeneratedText, None, None]:
    """Yield a text for every request, at most; one the engine or the process fails on is an `error` with its words.

    Args:
        requests: what the journal does not hold yet.
        journal: told what is in flight; the caller adds the rows.

    Raises:
        EngineBroken: the engine, not a row, is at fault.
    """
    by_key = {request.key: request for request in requests}
    told = told_by(journal)
    groups, deaths, poisoned = resumed(told, list(by_key))
    stalls = told.stalls if told else 0
    for key in poisoned:
        yield _failed(key, HUNG if told and told.stalled else DIED)
    health = _Health(writing)
    try:
        while groups:
            journal.flush()
            # Spelt out: taking a record of thousands of keys apart costs more than writing it.
            journal.mark({"groups": groups, "deaths": deaths, "process": this_process(), "stalls": stalls})
            yield from _written([by_key[key] for key in groups[0]], writing, health)
            yield from health.cleared()
            groups, deaths = groups[1:], 0
    finally:
        # Whatever ends in good order, an error or a signal that was heard, is no death.
        journal.unmark()


def told_by(journal: Journal) -> Flight | None:
    """What the worker before had in flight when it died; None when it ended in good order or lives."""
    flight = _flight(journal)
    if flight is None:
        return None
    here = flight.process.host == this_process().host
    return None if here and not flight.process.surely_dead() else flight


def _flight(journal: Journal) -> Flight | None:
    try:
        return TypeAdapter(Flight).validate_python(journal.marked())
    except ValidationError:
        return None


def patience(journal: Journal, seconds: float) -> float:
    """Seconds without progress that this process is given: fewer each time the rows it has in flight were the cause."""
    own = _own_flight(journal)
    return seconds * float(max(LEAST_PATIENCE, 0.5**own.stalls)) if own else seconds


def mark_stalled(journal: Journal) -> int:
    """Note that this process's rows made no progress, before it is ended; how many they are, 0 before it has any."""
    own = _own_flight(journal)
    if own is None:
        return 0
    told = {"groups": own.groups, "deaths": own.deaths, "process": own.process}
    journal.mark(told | {"stalled": True, "stalls": own.stalls + 1})
    return len(own.groups[0])


def _own_flight(journal: Journal) -> Flight | None:
    """What this very process has in flight; None while it loads its engine, or has nothing."""
    flight = _flight(journal)
    return flight if flight and flight.process == this_process() and flight.groups else None


def resumed(told: Flight | None, missing: Sequence[str]) -> tuple[list[tuple[str, ...]], int, tuple[str, ...]]:
    """(groups to write in order, deaths over the first of them, keys to give up).

    Args:
        told: what was in flight when a process died.
        missing: keys without a row, in order.
    """
    if not missing:
        return [], 0, ()
    if told is None or not told.groups:
        return [tuple(missing)], 0, ()
    wanted = set(missing)
    kept = [tuple(key for key in group if key in wanted) for group in told.groups]
    known = {key for group in kept for key in group}
    kept.append(tuple(key for key in missing if key not in known))
    first, rest = kept[0], [group for group in kept[1:] if group]
    if not first:
        return rest, 0, ()
    deaths = told.deaths + 1
    # A process may be killed for what other processes do; one that stood still did so over these rows.
    if deaths < DEATHS and not (told.stalled and len(first) > 1):
        return [first, *rest], deaths, ()
    if len(first) == 1:
        return rest, 0, first
    return [first[: len(first) // 2], first[len(first) // 2 :], *rest], 0, ()


class _Health:
    """Tells rows that an engine fails on from an engine that fails on every row, such as one whose device is gone."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing
        self._good: TextRequest | None = None
        self._held: list[GeneratedText] = []

    def wrote(self, request: TextRequest) -> list[GeneratedText]:
        """The engine works: rows that failed before did so by themselves."""
        self._good = request
        return self.cleared()

    def failed(self, request: TextRequest, error: Exception) -> list[GeneratedText]:
        """Keep a failed row back until it is known whether the engine works; the rows of which that is known.

        Raises:
            EngineBroken: it does not.
        """
        self._held.append(_failed(request.key, f"The engine failed: {type(error).__name__}: {error}"))
        if len(self._held) < (HOPELESS if self._good is None else SUSPECT):
            return []
        if self._good is not None and self._writes(self._good):
            return self.cleared()
        raise EngineBroken(
            f"The engine failed on {len(self._held)} rows one after another, at last: {type(error).__name__}: {error}.",
            "It fails on a row that it wrote before, too." if self._good else "It wrote none before.",
            "Look at the device and the model; the same command goes on where it stopped.",
        ) from error

    def cleared(self) -> list[GeneratedText]:
        """The failed rows that were kept back."""
        held, self._held = self._held, []
        return held

    def _writes(self, request: TextRequest) -> bool:
        writing = self._writing
        try:
            return bool(list(writing.generator.generate([request], sampling=writing.sampling, attempt=writing.attempt)))
        except Exception:  # noqa: BLE001 -- whatever it is, the engine does not write
            return False


def _written(requests: Sequence[TextRequest], writing: Writing, health: _Health) -> Iterator[GeneratedText]:
    left = {request.key: request for request in requests}
    try:
        for text in writing.generator.generate(requests, sampling=writing.sampling, attempt=writing.attempt):
            request = left.pop(text.key, None)
            if request is not None:
                yield from health.wrote(request)
                yield text
    except AigcError:
        raise
    except Exception as error:  # noqa: BLE001 -- whatever an engine dies of, only the row at fault may fail
        yield from _apart(list(left.values()), writing, health, error)


def _apart(
    requests: Sequence[TextRequest], writing: Writing, health: _Health, error: Exception
) -> Iterator[GeneratedText]:
    if len(requests) == 1:
        yield from health.failed(requests[0], error)
        return
    half = len(requests) // 2
    for part in (requests[:half], requests[half:]):
        if part:
            yield from _written(part, writing, health)


def _failed(key: str, error: str) -> GeneratedText:
    return GeneratedText(key=key, text="", finish_reason="error", error=error)
