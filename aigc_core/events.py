"""Progress as log records: stages report it, whoever runs them decides how to show it.

The library stays free of any console or orchestrator: a handler on the logger `aigc_core.progress` finds a
`Progress` in `record.progress`.
"""

import logging
import time
from dataclasses import dataclass

LOGGER_NAME = "aigc_core.progress"
_logger = logging.getLogger(LOGGER_NAME)
_stirred = {"at": time.monotonic()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far one stage is."""

    stage: str
    """The stage's verb, e.g. `generate`."""
    done: int
    """Units finished, in `unit`."""
    total: int | None
    """Units in all, or None while unknown."""
    unit: str = "rows"
    tokens: int = 0
    """Tokens generated or trained on so far in this stage; 0 where tokens mean nothing."""
    spent: str = ""
    """What the stage cost so far, with its currency, where that is told."""
    left: str = ""
    """What is left, in words, where that is told."""
    note: str = ""
    """Something a person should know of; a bar shows it once."""


def report_progress(progress: Progress) -> None:
    """Tell whoever listens. Costs next to nothing when nobody does."""
    stir()
    _logger.info(
        "%s %d/%s %s %s",
        progress.stage,
        progress.done,
        "?" if progress.total is None else progress.total,
        progress.unit,
        progress.note,
        extra={"progress": progress},
    )


def stir() -> None:
    """Say that work goes on, though there is nothing to show yet."""
    _stirred["at"] = time.monotonic()


def idle_seconds() -> float:
    """Seconds since this process last got on with its work."""
    return time.monotonic() - _stirred["at"]
