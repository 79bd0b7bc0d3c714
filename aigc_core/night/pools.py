"""Where workers run: what the night asks of child processes, of a Ray cluster, of Prefect's workers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from aigc_core.errors import AigcError
from aigc_core.records import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a worker ended."""

    in_order: bool
    """It had nothing left to do."""
    said: str = ""
    """Its last words."""
    error: AigcError | None = None
    """What it ended with by its own word."""


class Pool(Protocol):
    """A place for workers."""

    seconds_between_looks: float
    """How often it may be asked how workers ended."""

    def start(self, task: Task, *, of: int) -> str:
        """Start one of so many workers; its name."""
        ...

    def ended(self, workers: Sequence[str]) -> Mapping[str, Ended]:
        """How workers ended, of those that did; the others work, or wait for their turn."""
        ...

    def forget(self, worker: str) -> None:
        """Take a worker for lost: end what can be ended of it, and let its place go."""
        ...

    def stop(self, *, done: bool) -> None:
        """Let the workers go; where the work is not done, tell those that still work to stop."""
        ...
