"""When trying again can help."""

from typing import Any

from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from aigc_core.errors import ConservationBroken, UserError

FINAL = (UserError, ConservationBroken)


def may_help(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Not for what only a person can mend, nor for rows that do not add up: those fail the same way again."""
    return not isinstance(state.result(raise_on_failure=False), FINAL)
