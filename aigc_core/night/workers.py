"""A night's workers: started where the recipe says, replaced when they die, told of while they write."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from aigc_core.contracts.content_line import ContentLine
from aigc_core.errors import UserError, WorkersFailed
from aigc_core.events import Progress, report_progress
from aigc_core.night.child_processes import ChildProcesses
from aigc_core.night.course import Meter
from aigc_core.night.fan_out import worker_count
from aigc_core.night.gains import Tally, gains_of
from aigc_core.night.pin import open_night
from aigc_core.night.pools import Ended, Pool
from aigc_core.night.ray_cluster import RayCluster
from aigc_core.night.work import is_done, rules_of
from aigc_core.records import ModelVersion, Night, RequestSet, Shard, Task
from aigc_core.storage.progress import RunFolder

LOOK = 0.1
"""Seconds between two looks whether a shard is done."""
COUNT = 1.0
"""Seconds between two counts of rows."""
MOST_DEATHS = 8
"""Ends of workers with nothing gained in between, after which a night is given up; or thrice its workers."""
LOST = 1.25
"""Workers elsewhere that gain nothing for so many times `stall_seconds`, and a minute, are taken for lost."""
IDLE = 3.0
"""A night waits so many times `stall_seconds` for anybody to gain anything, and a minute."""


@contextmanager
def crew(night: Night, model: ModelVersion, requests: RequestSet, work_pool: Pool) -> Iterator["Crew"]:
    """The night's workers while the block runs; the engine in each stays loaded from attempt to attempt.

    Args:
        work_pool: where workers go with `fan_out: prefect`.
    """
    _, line, folder = open_night(night)
    workers = Crew(Task(lake=night.lake, run_id=night.run_id), folder, line, model, work_pool)
    workers.meter.to_generate = requests.to_generate
    try:
        yield workers
    except BaseException:
        workers.stop(done=False)
        raise
    workers.stop(done=True)


class Crew:
    """The workers of one night."""

    def __init__(self, task: Task, folder: RunFolder, line: ContentLine, model: ModelVersion, work_pool: Pool) -> None:
        self._task = task
        self._folder = folder
        self._rules = rules_of(line)
        self._generation = line.recipe.generation
        self._elsewhere = self._generation.fan_out != "processes"
        self._work_pool = work_pool
        self._count = worker_count(model, line.recipe.generation)
        self._pool: Pool | None = None
        self._working: list[str] = []
        self._deaths = 0
        self._errors = Counter[str]()
        self._gained: object = None
        self._gained_at = self._counted_at = self._asked_at = time.monotonic()
        self._lost_at = 0.0
        self._tally = Tally((), folder)
        self.meter = Meter(line.recipe, model.engine, 0)

    def written(self, shards: Sequence[Shard]) -> Iterator[Shard]:
        """The shards in order, each as soon as workers have written and judged it; at once where this process is to.

        A worker that dies is replaced: the rows it had are then suspects.

        Raises:
            WorkersFailed: workers ended again and again, or nobody gained anything for too long.
            AigcError: what a worker ended with by its own word.
        """
        self._tally = Tally(shards, self._folder)
        self.meter.begin(shards)
        # Asked only where workers may write: every answer hashes two files.
        asked = shards if self._count else ()
        missing = [shard for shard in asked if not is_done(shard, self._folder, self._rules)]
        together = missing and (self._pool or not self._fits_at_once(missing))
        self._gained_at = time.monotonic()
        for shard in shards:
            while together and not is_done(shard, self._folder, self._rules):
                self._tend()
                time.sleep(LOOK)
            yield shard

    def stop(self, *, done: bool) -> None:
        """Let the workers go; where the work is not done, tell those that still work to stop."""
        if self._pool is not None:
            self._pool.stop(done=done)

    def _fits_at_once(self, missing: Sequence[Shard]) -> bool:
        """Whether one filling of the slots writes all of it: a process costs more than that."""
        rows = sum(shard.rows for shard in missing)
        asked = self._elsewhere or self._generation.workers not in ("auto", 1)
        return not asked and rows <= self._generation.slots

    def _tend(self) -> None:
        pool, now = self._pool or self._opened(), time.monotonic()
        if self._working and now - self._asked_at > pool.seconds_between_looks:
            self._asked_at = now
            for worker, ended in pool.ended(self._working).items():
                self._working.remove(worker)
                self._part_with(worker, ended)
        wanted = min(self._count, self._tally.unwritten)
        if len(self._working) < wanted and self._elsewhere:
            self._tell(f"asked for workers ({self._generation.fan_out}): {wanted}")
        while len(self._working) < wanted:
            self._working.append(pool.start(self._task, of=self._count))
        if now - self._counted_at > COUNT:
            self._counted_at = now
            self._look(pool)

    def _opened(self) -> Pool:
        if self._generation.fan_out == "processes":
            self._pool = ChildProcesses(stall_seconds=self._generation.stall_seconds)
        else:
            self._pool = RayCluster() if self._generation.fan_out == "ray" else self._work_pool
        return self._pool

    def _part_with(self, worker: str, ended: Ended) -> None:
        if ended.in_order:
            return
        if ended.error is not None and self._ends_all(ended.error):
            raise ended.error
        gained = gains_of(self._folder)
        self._deaths = 1 if gained != self._gained else self._deaths + 1
        self._gained = gained
        said = " ".join((ended.said or "nothing").split())
        if self._deaths > max(MOST_DEATHS, 3 * self._count):
            raise ended.error or WorkersFailed(
                f"Workers of run {self._task.run_id} ended {self._deaths} times with nothing gained.",
                f"The last one said: {said}.",
                "Look for too little memory; the same command goes on where it stopped.",
            )
        self._tell(f"worker {worker} was lost, another one goes on; it said: {said}")

    def _ends_all(self, error: Exception) -> bool:
        """Whether others would end the same way: on this host at once, elsewhere when a second one did."""
        self._errors[str(error)] += 1
        enough = min(2, self._count) if self._elsewhere else 1
        return isinstance(error, UserError) and self._errors[str(error)] >= enough

    def _look(self, pool: Pool) -> None:
        now, stall = time.monotonic(), self._generation.stall_seconds
        if self._tally.look():
            self._gained_at = now
            self._tell("")
        idle = now - self._gained_at
        if self._elsewhere and idle > LOST * stall + 60 and self._lost_at < self._gained_at:
            self._lost_at = now
            for worker in self._working:
                pool.forget(worker)
            self._working.clear()
        if idle > IDLE * stall + 60:
            raise WorkersFailed(
                f"Nobody wrote a row of run {self._task.run_id} for {idle:,.0f} s.",
                f"{self._count} workers were asked for, with fan_out: {self._generation.fan_out}.",
                "Look whether a worker of that pool is started and has room; the same command goes on.",
            )

    def _tell(self, note: str) -> None:
        tally = self._tally
        report_progress(Progress(stage="generate", done=tally.rows, total=tally.total, tokens=tally.tokens, note=note))
