"""What Prefect sees of a night: names a person can read, artifacts, and nothing but records between steps."""

import importlib
import pkgutil
import types
from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any, get_args, get_type_hints

import pytest
from nights import LINE, FirstNight

import flows
from aigc_core import records
from aigc_core.errors import AuditBlocked, ConservationBroken, IntegrityBroken, SourceInvalid
from flows.retries import may_help

MODULES = [importlib.import_module(f"flows.{found.name}") for found in pkgutil.iter_modules(flows.__path__)]


def prefect_objects() -> Iterator[Any]:
    """Every flow and task of the flows."""
    from prefect import Flow, Task

    found = {id(value): value for module in MODULES for value in vars(module).values()}
    return (value for value in found.values() if isinstance(value, Flow | Task))


def leaves(hint: object) -> set[object]:
    """The types an annotation is made of."""
    inner = get_args(hint)
    made = isinstance(hint, types.UnionType) or inner
    return set().union(*map(leaves, inner)) if made else {hint}


def test_steps_hand_on_nothing_but_records() -> None:
    for step in prefect_objects():
        returned = leaves(get_type_hints(step.fn)["return"]) - {type(None)}
        strange = [hint for hint in returned if not (is_dataclass(hint) and hint.__module__ == records.__name__)]
        assert not strange, f"{step.name} returns {strange}"


def test_names_can_be_read(first_night: FirstNight) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName

    run = first_night.summary.run_id
    named = FlowRunFilter(name=FlowRunFilterName(any_=[f"write {run}"]))
    with get_client(sync_client=True) as client:
        flows_seen = {found.name for found in client.read_flow_runs(limit=200)}
        tasks_seen = {found.name for found in client.read_task_runs(flow_run_filter=named)}
    steps = {f"{verb} {run}" for verb in ("sources of", "model for", "write", "publish")}
    assert flows_seen >= {f"nightly {LINE}"} | steps
    assert tasks_seen >= {"write 1-0", "judge 1-0"}


def test_artifacts_tell_how_it_went(first_night: FirstNight) -> None:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        found = client.read_artifacts()
    mine = [artifact for artifact in found if first_night.summary.run_id in f"{artifact.description} {artifact.data}"]
    assert {artifact.type for artifact in mine} == {"progress", "table", "markdown"}
    # Other tests kill nights of the same id: their bars stand where they were struck.
    assert 100.0 in [float(str(artifact.data)) for artifact in mine if artifact.type == "progress"]
    assert all("published" in str(artifact.data) for artifact in mine if artifact.type == "table")


@pytest.mark.parametrize(
    ("error", "helps"),
    [
        (SourceInvalid("a"), False),
        (ConservationBroken("a"), False),
        (IntegrityBroken("a"), True),
        (AuditBlocked("a"), True),
        (OSError("a"), True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_retries_happen_where_they_can_help(error: Exception, helps: bool) -> None:  # noqa: FBT001 -- a table
    from prefect.states import Failed

    run: Any = None
    assert may_help(run, run, Failed(data=error)) is helps
