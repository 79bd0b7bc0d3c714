"""How far a night's writing is, for whoever waits for it: accepted texts, pace, what it cost so far, what is left."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from aigc_core.contracts.recipe import Recipe
from aigc_core.events import Progress, report_progress
from aigc_core.generation.machine_time import MachineTime
from aigc_core.records import Course, Part, Shard, Verdicts
from aigc_core.reporting.economics import amount


@dataclass(slots=True)
class Meter:
    """Adds up what each shard brings; costs the same for the last shard as for the first."""

    recipe: Recipe
    engine: str
    to_generate: int
    _began: float = 0.0
    """When the attempt did, by the clock of parts."""
    _attempt: int = 0
    _shards_of: int = 0
    _shards: int = 0
    _rows_left: int = 0
    _refused: int = 0
    """Of this attempt's texts."""
    _fresh_rows: int = 0
    """Written since the attempt began: what an earlier process wrote says nothing of the pace."""
    _fresh_tokens: int = 0
    _texts: int = 0
    _accepted: int = 0
    _tokens: int = 0
    _served: float = 0.0
    _machines: MachineTime = field(default_factory=MachineTime)

    def begin(self, shards: Sequence[Shard]) -> None:
        """Begin an attempt; what it asks for beyond the refused was accepted, and is a repeat of another's text."""
        self._began = time.time()
        self._shards_of, self._shards = len(shards), 0
        self._rows_left = sum(shard.rows for shard in shards)
        if self._attempt:
            self._accepted -= max(0, self._rows_left - self._refused)
        self._attempt += 1
        self._refused = 0
        self._fresh_rows = self._fresh_tokens = 0

    def add(self, part: Part, verdicts: Verdicts) -> Course:
        """Count a shard that is written and judged, and tell of it."""
        self._shards += 1
        self._texts += part.rows
        self._tokens += part.made_tokens
        self._rows_left -= part.rows
        self._accepted += verdicts.accepted
        self._refused += verdicts.rows - verdicts.accepted
        self._machines.add(part)
        self._served += self.recipe.generation.served_price(self.engine, part.prompt_tokens, part.made_tokens)
        if _finished(part) >= self._began:
            self._fresh_rows += part.rows
            self._fresh_tokens += part.made_tokens
        course = self._course(max(time.time() - self._began, 1e-3))
        report_progress(
            Progress(
                stage="accept",
                done=course.accepted,
                total=course.to_generate,
                unit="texts",
                spent=_spent(course),
                left=_left(course),
            )
        )
        return course

    def _course(self, seconds: float) -> Course:
        return Course(
            attempt=self._attempt,
            shards=self._shards,
            shards_of=self._shards_of,
            written=self._texts,
            accepted=self._accepted,
            to_generate=self.to_generate,
            tokens=self._tokens,
            tokens_per_second=round(self._fresh_tokens / seconds, 1),
            seconds_left=round(self._rows_left * seconds / self._fresh_rows, 1) if self._fresh_rows else None,
            cost=self._machines.seconds / 3600 * self.recipe.prices.device_hour + self._served,
            currency=self.recipe.prices.currency,
        )


def _finished(part: Part) -> float:
    """When a part was written, in seconds since 1970; to the second, rounded up."""
    return datetime.fromisoformat(part.finished_at).timestamp() + 1


def percent_of(course: Course) -> float:
    """Accepted texts in percent of those to generate, in [0, 100]."""
    return round(100 * course.accepted / max(course.to_generate, 1), 1)


def in_words(course: Course) -> str:
    """The course in one line for a person, e.g. beside a bar in the Prefect UI."""
    pace = f"{course.tokens_per_second:,.0f} tokens/s" if course.tokens_per_second else ""
    told = (
        f"{course.accepted:,} of {course.to_generate:,} texts accepted",
        f"{course.written:,} written by attempt {course.attempt}",
        pace,
        f"{_spent(course)} so far",
        _left(course),
    )
    return ", ".join(words for words in told if words)


def _spent(course: Course) -> str:
    return amount(course.cost, course.currency)


def _left(course: Course) -> str:
    if course.shards == course.shards_of or course.seconds_left is None:
        return ""
    return f"about {_time(course.seconds_left)} left of attempt {course.attempt}"


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"
