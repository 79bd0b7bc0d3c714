"""Many workers on one attempt: each takes free shards until all are done; the parent watches, restarts and tells.

A worker shares nothing with others but the lake, so any number of them, on any host, add up.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from aigc_core import errors
from aigc_core.errors import AigcError, WorkersFailed
from aigc_core.events import Progress, report_progress
from aigc_core.generation.shards import PART, part_step, settled_shards
from aigc_core.night.pin import RUN, open_night
from aigc_core.night.steps import judge_shard, write_shard
from aigc_core.records import ModelVersion, Night, Part, Shard
from aigc_core.storage.claims import Claims
from aigc_core.storage.journal import FLIGHT, Journal
from aigc_core.storage.progress import RunFolder
from aigc_core.workspace import child_environment, open_workspace, worker_count

WAIT = 0.5
"""Seconds between two looks at what others hold."""
MOST_DEATHS = 8
"""Ends of worker processes, with nothing gained in between, after which an attempt is given up."""
GRACE = 25.0
"""Seconds a worker has to stop when it is told to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a worker is sent to."""

    lake: str
    run_id: str
    attempt: int


def work(task: Task) -> None:
    """Write and judge every shard of the attempt that nobody else does; return when all are done.

    Raises:
        AigcError: what a shard cannot be written for.
    """
    folder = open_workspace(task.lake).run(task.run_id)
    night, model = folder.recall(RUN, Night), folder.recall("model", ModelVersion)
    if night is None or model is None:
        raise WorkersFailed(f"Run {task.run_id} has no night or no model yet.", "Workers join a night under way.")
    _, line, _ = open_night(night)
    shards = settled_shards(folder, task.attempt, shard_rows=line.recipe.generation.shard_rows)
    open_ones = list(shards or ())
    claims = Claims(folder.file("claims"))
    while open_ones:
        left = []
        for shard in open_ones:
            claim = None if _is_written(shard, folder) else claims.claim(Path(part_step(shard)).name)
            if claim is not None:
                with claim:
                    part = write_shard(shard, model, line, folder)
                    judge_shard(shard, part, line, folder)
            elif not _is_written(shard, folder):
                left.append(shard)
        if left and len(left) == len(open_ones):
            # Told, because a worker that tells nothing is taken for one that hangs.
            report_progress(Progress(stage="wait", done=0, total=len(left), unit="shards"))
            time.sleep(WAIT)
        open_ones = left


def work_together(night: Night, shards: tuple[Shard, ...]) -> tuple[Shard, ...]:
    """The shards, after worker processes have written and judged them where the recipe asks for such.

    One that dies is started again, one that makes no progress is killed first: the rows it had are then suspects.

    Raises:
        WorkersFailed: workers ended again and again, or one ended with an error of its own.
    """
    _, line, folder = open_night(night)
    missing = [shard for shard in shards if not _is_written(shard, folder)]
    count = min(worker_count(night.engine, line.recipe.generation), len(missing))
    if count < 2:  # a process of its own for a shard or less costs more than it brings
        return shards
    task = Task(lake=night.lake, run_id=night.run_id, attempt=missing[0].attempt)
    total = sum(shard.rows for shard in missing)
    _Crew(task, count, stall_seconds=line.recipe.generation.stall_seconds, rows=total).run()
    return shards


def _is_written(shard: Shard, folder: RunFolder) -> bool:
    return folder.recall(part_step(shard), Part) is not None


@dataclass(slots=True)
class _Hand:
    """One worker process as its parent sees it."""

    process: "subprocess.Popen[str]"
    heard: float
    """When it last told anything, monotonic."""
    done: int = 0
    """Rows of the shards before its present one."""
    tokens: int = 0
    """Tokens of those shards."""
    now: Progress | None = None
    error: AigcError | None = None
    """What it ended with by its own word."""
    words: list[str] = field(default_factory=list)
    """What it last said on stderr."""
    ears: list[threading.Thread] = field(default_factory=list)

    def heard_out(self) -> None:
        """Wait for its last words."""
        for ear in self.ears:
            ear.join()


class _Crew:
    """The workers of one attempt."""

    def __init__(self, task: Task, count: int, *, stall_seconds: float, rows: int) -> None:
        self._task = task
        self._count = count
        self._stall = stall_seconds
        self._rows = rows
        self._deaths = 0
        self._gained: object = None
        self._hands: list[_Hand] = []
        self._gone: list[_Hand] = []

    def run(self) -> None:
        """Until every worker has ended because all is done."""
        self._hands = [self._hire() for _ in range(self._count)]
        try:
            while self._hands:
                self._look()
                time.sleep(0.2)
        except BaseException:
            self._dismiss()
            raise

    def _hire(self) -> _Hand:
        words = [sys.executable, "-m", "aigc_core.night.worker", self._task.lake, self._task.run_id]
        process = subprocess.Popen(  # noqa: S603 -- our own interpreter and module
            [*words, str(self._task.attempt), str(os.getpid())],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=child_environment(OMP_NUM_THREADS="1"),
            start_new_session=True,  # Ctrl-C comes to the parent, which tells them
        )
        hand = _Hand(process, heard=time.monotonic())
        for stream, hear in ((process.stdout, self._hear), (process.stderr, self._note)):
            hand.ears.append(threading.Thread(target=_listen, args=(stream, hand, hear), daemon=True))
            hand.ears[-1].start()
        return hand

    def _look(self) -> None:
        for hand in list(self._hands):
            code = hand.process.poll()
            if code is None and time.monotonic() - hand.heard > self._stall:
                seconds = time.monotonic() - hand.heard
                self._tell(f"worker {hand.process.pid} made no progress for {seconds:,.0f} s: started again")
                hand.process.kill()
                code = hand.process.wait()
            if code is not None:
                hand.heard_out()
                self._hands.remove(hand)
                self._gone.append(hand)
                if code:
                    self._replace(hand, code)

    def _replace(self, hand: _Hand, code: int) -> None:
        said = " ".join(hand.words)[-500:] or "nothing"
        if hand.error is not None:
            raise hand.error
        if code > 0:
            raise WorkersFailed(f"A worker of run {self._task.run_id} ended with {code} and said: {said}")
        gained = _gained(self._task)
        self._deaths = 1 if gained != self._gained else self._deaths + 1
        self._gained = gained
        if self._deaths > MOST_DEATHS:
            raise WorkersFailed(
                f"Workers of run {self._task.run_id} were killed {self._deaths} times with nothing gained, at last "
                f"by signal {-code}.",
                f"The last one said: {said}.",
                "Look for too little memory; the same command goes on where it stopped.",
            )
        self._tell(f"worker {hand.process.pid} was killed by signal {-code}: started again")
        self._hands.append(self._hire())

    def _hear(self, line: str, hand: _Hand) -> None:
        told = json.loads(line)
        if "error" in told:
            hand.error = getattr(errors, told["error"])(*told["args"])
            return
        event = Progress(**told)
        if event.stage != "generate":
            return
        if hand.now is not None and event.done < hand.now.done:
            hand.done += hand.now.done
            hand.tokens += hand.now.tokens
        hand.now = event
        self._tell("")

    def _note(self, line: str, hand: _Hand) -> None:
        hand.words = [*hand.words[-20:], line.strip()]

    def _tell(self, note: str) -> None:
        every = [*self._gone, *self._hands]
        done = sum(hand.done + (hand.now.done if hand.now else 0) for hand in every)
        tokens = sum(hand.tokens + (hand.now.tokens if hand.now else 0) for hand in every)
        done = min(done, self._rows)
        report_progress(Progress(stage="generate", done=done, total=self._rows, tokens=tokens, note=note))

    def _dismiss(self) -> None:
        for hand in self._hands:
            hand.process.terminate()
        deadline = time.monotonic() + GRACE
        for hand in self._hands:
            try:
                hand.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                hand.process.kill()
                hand.process.wait()
            hand.heard_out()


def _gained(task: Task) -> object:
    """What stands of an attempt: another answer means that something was finished or narrowed down since."""
    parts = open_workspace(task.lake).run(task.run_id).file("parts")
    names = sorted(str(path) for path in parts.glob(f"a{task.attempt}-*/*.parquet"))
    marks = [Journal(path.parent, PART).marked() for path in sorted(parts.glob(f"a{task.attempt}-*/{FLIGHT}"))]
    groups = [[len(group) for group in mark["groups"]] for mark in marks if isinstance(mark, dict)]
    return names, sorted(path.name for path in parts.glob(f"a{task.attempt}-*.json")), groups


def _listen(stream: IO[str] | None, hand: _Hand, hear: Callable[[str, _Hand], None]) -> None:
    if stream is None:
        return
    with stream:
        for line in stream:
            hand.heard = time.monotonic()
            hear(line, hand)
