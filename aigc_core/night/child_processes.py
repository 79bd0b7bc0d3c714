"""Workers as child processes of the night: they tell how it goes over a pipe, and end when the night does."""

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

from aigc_core import errors
from aigc_core.engines.loading import gpu_count
from aigc_core.errors import AigcError
from aigc_core.events import Progress, report_progress
from aigc_core.night.pools import Ended
from aigc_core.records import Task
from aigc_core.workspace import child_environment

GRACE = 25.0
"""Seconds a worker has to stop when it is told to."""
MARGIN = 1.5
"""A worker's own watchdog comes first; one that is silent for so many times longer hangs with it."""


@dataclass(slots=True)
class _Child:
    process: "subprocess.Popen[str]"
    place: int
    """The lowest number that no other living child has."""
    heard: float
    """When it last told anything, monotonic."""
    error: AigcError | None = None
    words: list[str] = field(default_factory=list)
    """What it last said on stderr."""
    ears: list[threading.Thread] = field(default_factory=list)


class ChildProcesses:
    """Processes of this machine, each with the engine loaded; one thread, or one GPU, each where there are several."""

    seconds_between_looks = 0.5

    def __init__(self, *, stall_seconds: float) -> None:
        """Take the seconds without progress after which a worker hangs."""
        self._stall = stall_seconds * MARGIN
        self._children: dict[str, _Child] = {}
        self._environment = child_environment()
        self._gpus = gpus_of(self._environment, gpu_count())

    def start(self, task: Task, *, of: int) -> str:
        """Start a worker; its name is its process's number."""
        taken = {child.place for child in self._children.values() if child.process.poll() is None}
        place = next(number for number in itertools.count() if number not in taken)
        process = subprocess.Popen(  # noqa: S603 -- our own interpreter and module
            [sys.executable, "-m", "aigc_core.night.worker", str(task.lake), task.run_id, str(os.getpid())],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**self._environment, **self._own(place, of)},
            start_new_session=True,  # Ctrl-C comes to the parent, which tells them
        )
        child = _Child(process, place, heard=time.monotonic())
        for stream, hear in ((process.stdout, _hear), (process.stderr, _note)):
            child.ears.append(threading.Thread(target=_listen, args=(stream, child, hear), daemon=True))
            child.ears[-1].start()
        name = str(process.pid)
        self._children[name] = child
        return name

    def ended(self, workers: Sequence[str]) -> Mapping[str, Ended]:
        """How workers ended; one that is silent for too long is ended here."""
        found = {worker: self._ended(self._children[worker]) for worker in workers}
        return {worker: ended for worker, ended in found.items() if ended is not None}

    def forget(self, worker: str) -> None:
        """Kill it."""
        self._children[worker].process.kill()

    def _own(self, place: int, of: int) -> dict[str, str]:
        """What a child's environment says that its siblings' does not."""
        if of < 2:
            return {}
        gpu = {"CUDA_VISIBLE_DEVICES": self._gpus[place % len(self._gpus)]} if self._gpus else {}
        return {"OMP_NUM_THREADS": "1", **gpu}

    def _ended(self, child: _Child) -> Ended | None:
        code, silent = child.process.poll(), time.monotonic() - child.heard
        if code is None and silent <= self._stall:
            return None
        if code is None:
            child.words.append(f"it said nothing for {silent:,.0f} s")
            child.process.kill()
            code = child.process.wait()
        for ear in child.ears:
            ear.join()
        said = " ".join(child.words)[-500:]
        return Ended(in_order=code == 0, said=said or f"nothing, and ended with {code}", error=child.error)

    def stop(self, *, done: bool) -> None:
        """Tell all to stop, and wait until they have."""
        running = [child for child in self._children.values() if child.process.poll() is None]
        for child in running:
            child.process.terminate()
        deadline = time.monotonic() + GRACE
        for child in running:
            try:
                child.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
            for ear in child.ears:
                ear.join()


def gpus_of(environment: Mapping[str, str], count: int) -> tuple[str, ...]:
    """The GPUs a process may use, as CUDA_VISIBLE_DEVICES names them to a child."""
    named = environment.get("CUDA_VISIBLE_DEVICES", "")
    return tuple(named.split(",")[:count]) if named else tuple(map(str, range(count)))


def _hear(line: str, child: _Child) -> None:
    told = json.loads(line)
    if "error" in told:
        child.error = getattr(errors, told["error"])(*told["args"])
        return
    event = Progress(**told)
    if event.stage == "stall":
        report_progress(event)


def _note(line: str, child: _Child) -> None:
    child.words = [*child.words[-20:], line.strip()]


def _listen(stream: IO[str] | None, child: _Child, hear: Callable[[str, _Child], None]) -> None:
    if stream is None:
        return
    with stream:
        for line in stream:
            child.heard = time.monotonic()
            hear(line, child)
