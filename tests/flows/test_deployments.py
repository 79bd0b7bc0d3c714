"""`infra/prefect.yaml` against the lines and the flows it deploys."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from aigc_core.lines.folders import list_lines, load_line

LINES = Path("data_contracts")
DEPLOYED: list[dict[str, Any]] = yaml.safe_load(Path("infra/prefect.yaml").read_text())["deployments"]
NIGHTS = {entry["parameters"]["line"]: entry for entry in DEPLOYED if entry["entrypoint"].endswith(":nightly")}


def test_every_line_has_a_scheduled_night() -> None:
    assert sorted(NIGHTS) == sorted(list_lines(LINES))


@pytest.mark.parametrize("line", sorted(NIGHTS))
def test_a_schedule_is_the_recipes(line: str) -> None:
    schedule = load_line(LINES, line).recipe.schedule
    (deployed,) = NIGHTS[line]["schedules"]
    assert (deployed["cron"], deployed["timezone"]) == (schedule.cron, schedule.timezone)


@pytest.mark.parametrize("line", sorted(NIGHTS))
def test_a_line_runs_by_itself_only_with_a_catalogue_of_its_own(line: str) -> None:
    (deployed,) = NIGHTS[line]["schedules"]
    assert deployed.get("active", True) == (load_line(LINES, line).recipe.source is not None)


@pytest.mark.parametrize("entry", DEPLOYED, ids=lambda entry: entry["name"])
def test_an_entrypoint_takes_the_parameters_named(entry: dict[str, Any]) -> None:
    path, name = entry["entrypoint"].split(":")
    flow = getattr(import_module(path.removesuffix(".py").replace("/", ".")), name)
    assert set(entry["parameters"]) <= set(flow.parameters.properties)
