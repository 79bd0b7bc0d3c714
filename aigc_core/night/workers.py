"""A night's workers: started where the recipe says, replaced when they die, told of while they write."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from aigc_core.contracts.recipe import Recipe
from aigc_core.errors import WorkersFailed
from aigc_core.events import Progress, report_progress
from aigc_core.generation.shards import PART, journal_of, part_step
from aigc_core.night.child_processes import ChildProcesses
from aigc_core.night.course import Meter
from aigc_core.night.fan_out import worker_count
from aigc_core.night.pin import open_night
from aigc_core.night.pools import Ended, Pool
from aigc_core.night.ray_cluster import RayCluster
from aigc_core.night.work import is_written
from aigc_core.records import ModelVersion, Night, RequestSet, Shard, Task
from aigc_core.storage.files import read_json
from aigc_core.storage.journal import FLIGHT, Journal
from aigc_core.storage.progress import RunFolder

LOOK = 0.1
"""Seconds between two looks at workers and shards."""
COUNT = 1.0
"""Seconds between two counts of rows."""
MOST_DEATHS = 8
"""Ends of workers, with nothing gained in between, after which an attempt is given up."""
IDLE = 2.5
"""A night waits so many times `stall_seconds` for somebody to gain anything, and a minute."""


@contextmanager
def crew(night: Night, model: ModelVersion, requests: RequestSet, work_pool: Pool) -> Iterator["Crew"]:
    """The night's workers while the block runs; the engine in each stays loaded from attempt to attempt.

    Args:
        work_pool: where workers go with `fan_out: prefect`.
    """
    _, line, folder = open_night(night)
    workers = Crew(Task(lake=night.lake, run_id=night.run_id), folder, line.recipe, model, work_pool)
    workers.meter.to_generate = requests.to_generate
    try:
        yield workers
    except BaseException:
        workers.stop(done=False)
        raise
    workers.stop(done=True)


class Crew:
    """The workers of one night."""

    def __init__(self, task: Task, folder: RunFolder, recipe: Recipe, model: ModelVersion, work_pool: Pool) -> None:
        self._task = task
        self._folder = folder
        self._generation = recipe.generation
        self._work_pool = work_pool
        self._count = worker_count(model, recipe.generation)
        self._pool: Pool | None = None
        self._working: list[str] = []
        self._deaths = 0
        self._gained: object = None
        self._gained_at = self._counted_at = time.monotonic()
        self._tally = _Tally((), folder)
        self.meter = Meter(recipe, model.engine, 0)

    def written(self, shards: Sequence[Shard]) -> Iterator[Shard]:
        """The shards in order, each as soon as workers have written it; at once where this process is to write.

        A worker that dies is replaced: the rows it had are then suspects.

        Raises:
            WorkersFailed: workers ended again and again, or nobody gained anything for too long.
            AigcError: what a worker ended with by its own word.
        """
        self._tally = _Tally(shards, self._folder)
        self.meter.begin(shards)
        missing = [shard for shard in shards if not is_written(shard, self._folder)]
        together = missing and self._count and (self._pool or not self._fits_at_once(missing))
        self._gained_at = time.monotonic()
        for shard in shards:
            while together and not is_written(shard, self._folder):
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
        asked = self._generation.fan_out != "processes" or self._generation.workers not in ("auto", 1)
        return not asked and rows <= self._generation.slots

    def _tend(self) -> None:
        pool = self._pool = self._pool or self._opened()
        for worker in list(self._working):
            ended = pool.ended(worker)
            if ended is not None:
                self._working.remove(worker)
                self._part_with(worker, ended)
        wanted = min(self._count, self._tally.unwritten)
        if len(self._working) < wanted and self._generation.fan_out != "processes":
            self._tell(f"{wanted} workers asked for: {self._generation.fan_out}")
        while len(self._working) < wanted:
            self._working.append(pool.start(self._task, of=self._count))
        if time.monotonic() - self._counted_at > COUNT:
            self._counted_at = time.monotonic()
            self._look()

    def _opened(self) -> Pool:
        if self._generation.fan_out == "processes":
            return ChildProcesses(stall_seconds=self._generation.stall_seconds)
        return RayCluster() if self._generation.fan_out == "ray" else self._work_pool

    def _part_with(self, worker: str, ended: Ended) -> None:
        if ended.error is not None:
            raise ended.error
        if not ended.killed:
            return
        gained = self._gains()
        self._deaths = 1 if gained != self._gained else self._deaths + 1
        self._gained = gained
        said = ended.said or "nothing"
        if self._deaths > MOST_DEATHS:
            raise WorkersFailed(
                f"Workers of run {self._task.run_id} were killed {self._deaths} times with nothing gained.",
                f"The last one said: {said}.",
                "Look for too little memory; the same command goes on where it stopped.",
            )
        self._tell(f"worker {worker} was killed, another one goes on; it said: {said}")

    def _look(self) -> None:
        if self._tally.look():
            self._gained_at = time.monotonic()
            self._tell("")
        idle = time.monotonic() - self._gained_at
        if idle > IDLE * self._generation.stall_seconds + 60:
            raise WorkersFailed(
                f"Nobody wrote a row of run {self._task.run_id} for {idle:,.0f} s.",
                f"{len(self._working)} workers were asked for, with fan_out: {self._generation.fan_out}.",
                "Look whether a worker of that pool is started and has room; the same command goes on.",
            )

    def _tell(self, note: str) -> None:
        tally = self._tally
        report_progress(Progress(stage="generate", done=tally.rows, total=tally.total, tokens=tally.tokens, note=note))

    def _gains(self) -> object:
        """What stands of the run's parts: another answer means that something was finished or narrowed down since."""
        parts = self._folder.file("parts")
        marks = [Journal(path.parent, PART).marked() for path in sorted(parts.glob(f"*/{FLIGHT}"))]
        groups = [[len(group) for group in mark["groups"]] for mark in marks if isinstance(mark, dict)]
        stalls = [mark.get("stalls", 0) for mark in marks if isinstance(mark, dict)]
        return sorted(map(str, parts.glob("*/*.parquet"))), sorted(map(str, parts.glob("*.json"))), groups, stalls


class _Tally:
    """Rows and tokens of an attempt, as they come to lie in the lake; no file is read twice."""

    def __init__(self, shards: Sequence[Shard], folder: RunFolder) -> None:
        self.total = sum(shard.rows for shard in shards)
        self.rows = 0
        self.tokens = 0
        self._folder = folder
        self._open = list(shards)
        self._journaled: dict[Path, tuple[int, int]] = {}
        self._parts = (0, 0)

    @property
    def unwritten(self) -> int:
        """Shards whose part is not noted."""
        return len(self._open)

    def look(self) -> bool:
        """Count again; whether anything came."""
        before = (self.rows, self.unwritten)
        for shard in list(self._open):
            self._count(shard)
        rows, tokens = (sum(column) for column in zip(self._parts, *self._journaled.values(), strict=True))
        self.rows, self.tokens = min(rows, self.total), tokens
        return (self.rows, self.unwritten) != before

    def _count(self, shard: Shard) -> None:
        note = self._folder.file(f"{part_step(shard)}.json")
        journal = journal_of(shard, self._folder)
        if note.exists():
            told = read_json(note)
            tokens = told["record"]["tokens"] if isinstance(told, dict) else 0
            self._parts = (self._parts[0] + shard.rows, self._parts[1] + tokens)
            self._open.remove(shard)
            self._journaled = {path: rows for path, rows in self._journaled.items() if path.parent != journal.folder}
            return
        for path in journal.files():
            if path not in self._journaled and (rows := journal.table(path)) is not None:
                self._journaled[path] = (rows.num_rows, sum(rows["tokens"].to_pylist()))
