"""What one worker does: it takes free shards of a run, attempt after attempt, until nothing is left to write.

A worker shares nothing with others but the lake, so any number of them, on any host, add up.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aigc_core.audit.screen import verdict_step
from aigc_core.contracts.content_line import ContentLine
from aigc_core.errors import WorkersFailed
from aigc_core.events import Progress, report_progress
from aigc_core.generation.shards import journal_of, part_step, plan_step
from aigc_core.night.pin import RUN, open_night
from aigc_core.night.steps import attempts
from aigc_core.night.trial import judge_shard, write_shard
from aigc_core.night.watch import Watch
from aigc_core.records import ModelVersion, Night, Part, Shard, Task, Verdicts
from aigc_core.storage.claims import Claims
from aigc_core.storage.progress import RunFolder
from aigc_core.workspace import open_workspace, row_checks, rules_digest

WAIT = 0.5
"""Seconds between two looks at what others hold."""
SOON = 0.05
"""Seconds between two looks whether the next attempt is planned: a matter of seconds, on an idle machine."""


def work(task: Task) -> Task:
    """Write and judge every shard of the run that nobody else does; return when nothing is left, or comes any more.

    The engine stays loaded from shard to shard. A process that makes no progress for the recipe's `stall_seconds`
    names its shard and ends itself.

    Raises:
        AigcError: what a shard cannot be written for.
    """
    folder = open_workspace(task.lake).run(task.run_id)
    night, model = folder.recall(RUN, Night), folder.recall("model", ModelVersion)
    if night is None or model is None:
        raise WorkersFailed(f"Run {task.run_id} has no night or no model yet.", "Workers join a night under way.")
    _, line, _ = open_night(night)
    stall = line.recipe.generation.stall_seconds
    with Watch(stall) as watch:
        worker = _Worker(line=line, model=model, folder=folder, rules=rules_of(line), watch=watch)
        for attempt in attempts(night):
            shards = _planned(folder, attempt, seconds=stall)
            if not shards:
                break
            worker.write(shards)
    return task


def rules_of(line: ContentLine) -> str:
    """Digest of the rules that texts are judged by."""
    return rules_digest(line, row_checks(line))


def is_done(shard: Shard, folder: RunFolder, rules: str) -> bool:
    """Whether a shard's texts stand, and what the rules of that digest say of them."""
    part = folder.recall(part_step(shard), Part)
    return part is not None and folder.recall(verdict_step(part, rules), Verdicts) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Worker:
    line: ContentLine
    model: ModelVersion
    folder: RunFolder
    rules: str
    watch: Watch

    def write(self, shards: Sequence[Shard]) -> None:
        """Return when all of an attempt's shards are done, by this worker or by others."""
        left = list(shards)
        while left:
            held = [shard for shard in left if not self._done(shard)]
            if len(held) == len(left):
                _wait(len(left), WAIT)
            left = held

    def _done(self, shard: Shard) -> bool:
        """Whether the shard is written and judged, after doing so where nobody else does."""
        if is_done(shard, self.folder, self.rules):
            return True
        claim = Claims(self.folder.file("claims")).claim(Path(part_step(shard)).name)
        if claim is None:
            return False
        with claim, self.watch.over(f"shard {shard.attempt}-{shard.number}", journal_of(shard, self.folder)):
            part = write_shard(shard, self.model, self.line, self.folder)
            judge_shard(shard, part, self.line, self.folder)
        return True


def _planned(folder: RunFolder, attempt: int, *, seconds: float) -> tuple[Shard, ...]:
    """The attempt's shards, waited for; none when nothing is left to write, or no plan comes in so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        planned = folder.recall(plan_step(attempt), tuple[Shard, ...])
        if planned is not None:
            return planned
        _wait(0, SOON)
    return ()


def _wait(shards: int, seconds: float) -> None:
    # Told, because a worker that tells nothing is taken for one that hangs.
    report_progress(Progress(stage="wait", done=0, total=shards, unit="shards"))
    time.sleep(seconds)
