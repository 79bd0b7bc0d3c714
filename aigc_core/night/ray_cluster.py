"""Workers as tasks of a Ray cluster."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from aigc_core.errors import AigcError, MissingExtra, WorkersFailed
from aigc_core.night.pools import Ended
from aigc_core.night.work import work
from aigc_core.records import Task
from aigc_core.workspace import quiet_process


class RayCluster:
    """The cluster that RAY_ADDRESS names, else one of this machine's cores."""

    seconds_between_looks = 0.5

    def __init__(self) -> None:
        """Join the cluster, or start one.

        Raises:
            MissingExtra: Ray is not installed.
            WorkersFailed: the cluster does not answer.
        """
        try:
            import ray
        except ImportError as error:
            raise MissingExtra("`fan_out: ray` needs Ray.", remedy='pip install "aigc[ray]"') from error
        self._ray: Any = ray
        self._tasks: dict[str, Any] = {}
        self._started = not ray.is_initialized()
        if self._started:
            self._join()
        device = {"num_gpus": 1} if self._ray.cluster_resources().get("GPU") else {"num_cpus": 1}
        # Another worker is the night's own decision: it knows whether anything was gained. A process serves one task:
        # the next one finds no engine that broke under the last.
        self._work: Any = self._ray.remote(max_retries=0, max_calls=1, **device)(work)

    def start(self, task: Task, *, of: int) -> str:
        """Hand a task to the cluster; it waits there for a free core or GPU."""
        reference = self._work.remote(task)
        name = str(reference.hex())
        self._tasks[name] = reference
        return name

    def ended(self, workers: Sequence[str]) -> Mapping[str, Ended]:
        """How tasks ended."""
        names = {self._tasks[worker]: worker for worker in workers}
        done, _ = self._ray.wait(list(names), num_returns=len(names), timeout=0) if names else ([], [])
        return {names[reference]: self._ended(reference) for reference in done}

    def forget(self, worker: str) -> None:
        """Kill its process."""
        self._ray.cancel(self._tasks[worker], force=True)

    def _ended(self, reference: object) -> Ended:
        try:
            self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            cause = error.cause
            own = cause if isinstance(cause, AigcError) else WorkersFailed(f"A Ray task failed: {cause}")
            return Ended(in_order=False, said=str(cause), error=own)
        except self._ray.exceptions.RayError as error:
            return Ended(in_order=False, said=str(error).splitlines()[0])
        return Ended(in_order=True)

    def stop(self, *, done: bool) -> None:
        """Cancel what still works; a cluster that was started here ends."""
        for reference in () if done else self._tasks.values():
            self._ray.cancel(reference)
        if self._started:
            self._ray.shutdown()

    def _join(self) -> None:
        quiet_process()
        try:
            self._ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise WorkersFailed(
                f"The Ray cluster cannot be joined: {error}.",
                "RAY_ADDRESS names a cluster; without it one is started here.",
            ) from error
