"""Where workers run: what the night asks of child processes, of a Ray cluster, of Prefect's workers."""

from dataclasses import dataclass
from typing import Protocol

from aigc_core.errors import AigcError
from aigc_core.records import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a worker ended."""

    killed: bool
    """By a signal or with its host: another one can go on."""
    said: str = ""
    """Its last words."""
    error: AigcError | None = None
    """What it ended with by its own word: another one would end the same way."""


class Pool(Protocol):
    """A place for workers."""

    def start(self, task: Task, *, of: int) -> str:
        """Start one of so many workers; its name."""
        ...

    def ended(self, worker: str) -> Ended | None:
        """How a worker ended; None while it works, or waits for its turn."""
        ...

    def stop(self, *, done: bool) -> None:
        """Let the workers go; where the work is not done, tell those that still work to stop."""
        ...
