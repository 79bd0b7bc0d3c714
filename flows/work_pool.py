"""Workers as flow runs on the Prefect work pool `gpu`."""

from typing import cast
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.client.schemas.objects import FlowRun, State
from prefect.deployments import run_deployment
from prefect.states import Cancelling, Pending

from aigc_core.errors import UserError, WorkersFailed
from aigc_core.night.pools import Ended
from aigc_core.records import Task

DEPLOYMENT = "write-shards/write-shards"


class WorkPool:
    """The pool that the deployment `write-shards` names; Prefect's limits say how many of its runs go at once."""

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

    def ended(self, worker: str) -> Ended | None:
        """How a flow run ended."""
        state = self._state_of(worker)
        if not state.is_final():
            return None
        killed = state.is_crashed() or state.is_cancelled()
        return Ended(killed=killed, said=state.message or "", error=_failure(state))

    def stop(self, *, done: bool) -> None:
        """Cancel the runs that still go, unless the work is done: then they end by themselves."""
        with get_client(sync_client=True) as client:
            for run in () if done else self._runs:
                client.set_flow_run_state(UUID(run), Cancelling())

    def _state_of(self, worker: str) -> State[object]:
        with get_client(sync_client=True) as client:
            return client.read_flow_run(UUID(worker)).state or Pending()


def _require_deployed() -> None:
    wanted = DeploymentFilter(name=DeploymentFilterName(any_=[DEPLOYMENT.split("/")[1]]))
    with get_client(sync_client=True) as client:
        if not client.read_deployments(deployment_filter=wanted):
            raise UserError(
                f"The deployment {DEPLOYMENT} is not known to this Prefect server.",
                "With `fan_out: prefect` a night asks it for workers.",
                "Start `aigc up`, or deploy infra/prefect.yaml, and let PREFECT_API_URL name that server.",
            )


def _failure(state: State[object]) -> WorkersFailed | None:
    return WorkersFailed(f"A run of {DEPLOYMENT} failed: {state.message}.") if state.is_failed() else None
