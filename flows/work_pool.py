"""Workers as flow runs on the Prefect work pool `gpu`."""

from collections.abc import Mapping, Sequence
from typing import cast
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName, FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, State
from prefect.deployments import run_deployment
from prefect.states import Cancelling, Crashed

from aigc_core.errors import UserError, WorkersFailed
from aigc_core.night.pools import Ended
from aigc_core.records import Task

DEPLOYMENT = "write-shards/write-shards"


class WorkPool:
    """The pool that the deployment `write-shards` names; Prefect's limits say how many of its runs go at once."""

    seconds_between_looks = 5.0

    def __init__(self) -> None:
        """Nothing is asked of the server before the first worker."""
        self._runs: list[str] = []

    def start(self, task: Task, *, of: int) -> str:
        """Trigger a flow run; its name is the run's id."""
        _require_deployed()
        parameters = {"lake": task.lake, "run_id": task.run_id}
        run = cast("FlowRun", run_deployment(DEPLOYMENT, parameters=parameters, timeout=0, as_subflow=False))
        self._runs.append(str(run.id))
        return str(run.id)

    def ended(self, workers: Sequence[str]) -> Mapping[str, Ended]:
        """How flow runs ended; all are asked for in one call."""
        wanted = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(worker) for worker in workers]))
        with get_client(sync_client=True) as client:
            runs = client.read_flow_runs(flow_run_filter=wanted)
        return {str(run.id): _how(run.state) for run in runs if run.state and run.state.is_final()}

    def forget(self, worker: str) -> None:
        """Say that it crashed, so that the pool's limit counts it no more."""
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(UUID(worker), Crashed(message="Lost: it wrote nothing any more."), force=True)

    def stop(self, *, done: bool) -> None:
        """Cancel the runs that still go, unless the work is done: then they end by themselves."""
        with get_client(sync_client=True) as client:
            for run in () if done else self._runs:
                client.set_flow_run_state(UUID(run), Cancelling())


def _require_deployed() -> None:
    wanted = DeploymentFilter(name=DeploymentFilterName(any_=[DEPLOYMENT.split("/")[1]]))
    with get_client(sync_client=True) as client:
        if not client.read_deployments(deployment_filter=wanted):
            raise UserError(
                f"The deployment {DEPLOYMENT} is not known to this Prefect server.",
                "With `fan_out: prefect` a night asks it for workers.",
                "Start `aigc up`, or deploy infra/prefect.yaml, and let PREFECT_API_URL name that server.",
            )


def _how(state: State[object]) -> Ended:
    failed = WorkersFailed(f"A run of {DEPLOYMENT} failed: {state.message}.")
    return Ended(in_order=state.is_completed(), said=state.message or "", error=failed if state.is_failed() else None)
