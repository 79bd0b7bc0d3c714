"""Writing the rows that are missing, so that a row that kills its process or its engine ends alone.

What is in flight is marked before the engine begins. A process that ends without a word and without a new row in the
journal died of exactly those rows; after two such deaths they are cut in halves, down to the one row that is at fault.
"""

from collections.abc import Generator as Yielding
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from aigc_core.engines.base import GeneratedText, Generator, TextRequest
from aigc_core.errors import AigcError
from aigc_core.records import Sampling
from aigc_core.storage.journal import Journal
from aigc_core.storage.processes import Process, this_process

DEATHS = 2
"""Deaths without a new row after which rows in flight are cut in halves, or given up."""
DIED = "the process died twice while writing this row"
HUNG = "writing this row made no progress, twice, until its process was ended"
GIVEN_UP = (DIED, HUNG)
"""Errors of rows that no later attempt asks for: they would cost two more processes."""
LEAST_PATIENCE = 1 / 8
"""Of the seconds without progress that a worker is given, when its rows are suspects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """What a worker has in hand."""

    groups: tuple[tuple[str, ...], ...]
    """Request keys; the first group is being written, the others wait."""
    deaths: int
    """Of processes, over the first group, without a new row."""
    journaled: int
    """Rows in the journal when it was marked."""
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
    """
    journaled = journal.read().num_rows
    by_key = {request.key: request for request in requests}
    told = told_by(journal)
    groups, deaths, poisoned = resumed(told, list(by_key), journaled)
    stalls = told.stalls if told else 0
    for key in poisoned:
        journaled += 1
        yield _failed(key, HUNG if told and told.stalled else DIED)
    try:
        while groups:
            journal.flush()
            # Spelt out: taking a record of thousands of keys apart costs more than writing it.
            flight = {"groups": groups, "deaths": deaths, "journaled": journaled, "process": this_process()}
            journal.mark(flight | {"stalls": stalls})
            for text in _written([by_key[key] for key in groups[0]], writing):
                yield text
                journaled += 1
            groups, deaths = groups[1:], 0
    finally:
        # Whatever ends in good order, an error or a signal that was heard, is no death.
        journal.unmark()


def told_by(journal: Journal) -> Flight | None:
    """What the worker before had in flight when it died; None when it ended in good order or lives."""
    try:
        flight = TypeAdapter(Flight).validate_python(journal.marked())
    except ValidationError:
        return None
    here = flight.process.host == this_process().host
    return None if here and not flight.process.surely_dead() else flight


def patience(journal: Journal, seconds: float) -> float:
    """Seconds without progress that the rows in flight are given: fewer each time some of them were the cause."""
    told = journal.marked()
    stalls = told.get("stalls", 0) if isinstance(told, dict) else 0
    return seconds * float(max(LEAST_PATIENCE, 0.5**stalls))


def mark_stalled(journal: Journal) -> int:
    """Note that the rows in flight made no progress, before their process is ended; how many they are."""
    told = journal.marked()
    if not isinstance(told, dict):
        return 0
    journal.mark({**told, "stalled": True, "stalls": told.get("stalls", 0) + 1})
    return len(told["groups"][0])


def resumed(
    told: Flight | None, missing: Sequence[str], journaled: int
) -> tuple[list[tuple[str, ...]], int, tuple[str, ...]]:
    """(groups to write in order, deaths over the first of them, keys to give up).

    Args:
        told: what was in flight when a process died.
        missing: keys without a row, in order.
        journaled: rows in the journal now.
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
    if not first or (journaled > told.journaled and not told.stalled):
        return [group for group in (first, *rest) if group], 0, ()
    deaths = told.deaths + 1
    # A process may be killed for what other processes do; one that stood still did so over these rows.
    if deaths < DEATHS and not (told.stalled and len(first) > 1):
        return [first, *rest], deaths, ()
    if len(first) == 1:
        return rest, 0, first
    return [first[: len(first) // 2], first[len(first) // 2 :], *rest], 0, ()


def _written(requests: Sequence[TextRequest], writing: Writing) -> Iterator[GeneratedText]:
    left = {request.key: request for request in requests}
    try:
        for text in writing.generator.generate(requests, sampling=writing.sampling, attempt=writing.attempt):
            if left.pop(text.key, None) is not None:
                yield text
    except AigcError:
        raise
    except Exception as error:  # noqa: BLE001 -- whatever an engine dies of, only the row at fault may fail
        yield from _apart(list(left.values()), writing, error)


def _apart(requests: Sequence[TextRequest], writing: Writing, error: Exception) -> Iterator[GeneratedText]:
    if len(requests) == 1:
        yield _failed(requests[0].key, f"The engine failed: {type(error).__name__}: {error}")
        return
    half = len(requests) // 2
    for part in (requests[:half], requests[half:]):
        if part:
            yield from _written(part, writing)


def _failed(key: str, error: str) -> GeneratedText:
    return GeneratedText(key=key, text="", finish_reason="error", error=error)
