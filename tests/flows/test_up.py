"""`aigc up` for real: server, pools, workers, deployments, a night through the API, and nothing left after Ctrl-C."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from nights import AIGC, LINE, SHELF, ask, copy_line

from aigc_core.lines.folders import load_line
from aigc_core.workspace import REPOSITORY, child_environment

SECONDS = 180.0
SLOW = "{% for a in range(2500) %}{% for b in range(1000) %}{% endfor %}{% endfor %}"
"""Long enough that one worker does not write all before the other is there."""
NIGHT = "deployments/name/nightly/product-description"


@dataclass(frozen=True, slots=True)
class Platform:
    """A platform that is up."""

    process: subprocess.Popen[bytes]
    home: Path
    api: httpx.Client

    def children(self) -> list[str]:
        """Ids of the processes that know its home, itself left out."""
        mark, found = f"PREFECT_HOME={self.home}/prefect".encode(), []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                knows = mark in (folder / "environ").read_bytes()
            except (PermissionError, FileNotFoundError, ProcessLookupError):
                continue  # ended meanwhile, or another user's
            if knows and folder.name != str(self.process.pid):
                found.append(folder.name)
        return found


def until(asked: Callable[[], Any], *, seconds: float = SECONDS) -> Any:  # noqa: ANN401 -- what was asked for
    """The first answer that is not empty."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := asked():
            return answer
        time.sleep(0.3)
    raise TimeoutError(f"nothing came in {seconds} s")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Started once; killed at the end if a test did not stop it."""
    home, port = tmp_path_factory.mktemp("up"), free_port()
    said = home / "said.txt"
    fan_out = {"generation.fan_out": "prefect", "generation.workers": 2, "generation.shard_rows": 8}
    own = load_line(REPOSITORY / "data_contracts", LINE).recipe.generation.template
    slow = {locale: SLOW + text for locale, text in own.items()}
    copy_line(home / "lines", {**fan_out, "generation.template": slow})
    words = [AIGC, "up", "--port", str(port), "--lake", str(home / "lake")]
    environment = child_environment(PREFECT_HOME=str(home / "prefect"), AIGC_LINES=str(home / "lines"))
    with said.open("wb") as file, httpx.Client(base_url=f"http://127.0.0.1:{port}/api/", timeout=180) as api:
        process = subprocess.Popen(words, stdout=file, stderr=file, env=environment, cwd=home)
        try:
            until(lambda: "ready" in said.read_text("utf-8") or process.poll() is not None)
            assert process.poll() is None, said.read_text("utf-8")
            yield Platform(process, home, api)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.wait(60)


def test_the_form_explains_every_field(platform: Platform) -> None:
    fields = platform.api.get(NIGHT).json()["parameter_openapi_schema"]["properties"]
    assert set(fields) >= {"line", "source", "limit", "engine", "date", "retrain"}
    assert not [name for name, field in fields.items() if len(field.get("description", "")) < 20]


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"engine": "gpt"}, {"date": "tomorrow"}, {"retrain": "perhaps"}])
def test_the_api_refuses_wrong_values(wrong: dict[str, object], platform: Platform) -> None:
    deployment = platform.api.get(NIGHT).json()["id"]
    parameters = {"line": LINE, **wrong}
    answer = platform.api.post(f"deployments/{deployment}/create_flow_run", json={"parameters": parameters})
    assert answer.status_code == 409
    assert next(iter(wrong)) in answer.text


def test_a_night_through_the_api_is_written_by_workers_of_the_pool(platform: Platform) -> None:
    platform.api.patch("work_pools/gpu", json={"concurrency_limit": 2})
    deployment = platform.api.get(NIGHT).json()["id"]
    parameters = {"line": LINE, "engine": "template", "limit": 30}
    run = platform.api.post(f"deployments/{deployment}/create_flow_run", json={"parameters": parameters}).json()["id"]
    ended = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
    state = until(lambda: s if (s := platform.api.get(f"flow_runs/{run}").json()["state"])["type"] in ended else None)
    assert state["type"] == "COMPLETED", state["message"]
    counted = ask(platform.home / "lake", f"SELECT count(DISTINCT item_id) AS n FROM {SHELF}")  # noqa: S608
    assert counted == [{"n": 30}]
    parts = sorted((platform.home / "lake" / "runs").glob("*/parts/a1-*.json"))
    made = [json.loads(path.read_text("utf-8"))["facts"]["process"]["pid"] for path in parts]
    placed = platform.api.post("flow_runs/filter", json={"flows": {"name": {"any_": ["write-shards"]}}}).json()
    assert len(parts) == 8
    assert len(set(made)) == len(placed) == 2
    until(lambda: all(state_of(platform, run["id"]) == "COMPLETED" for run in placed))


def state_of(platform: Platform, run: str) -> str:
    return str(platform.api.get(f"flow_runs/{run}").json()["state"]["type"])


def test_every_deployment_is_there(platform: Platform) -> None:
    found = platform.api.post("deployments/filter", json={}).json()
    active = {entry["name"] for entry in found if any(schedule["active"] for schedule in entry["schedules"])}
    pools = {entry["name"]: entry["work_pool_name"] for entry in found}
    assert active == {"product-description"}
    assert pools == {
        "product-description": "cpu",
        "fashion-description": "cpu",
        "ad-copy-zh": "cpu",
        "ingest": "cpu",
        "fine-tune": "gpu",
        "generate": "gpu",
        "write-shards": "gpu",
    }


def test_ctrl_c_stops_everything(platform: Platform) -> None:
    assert len(platform.children()) >= 3
    platform.process.send_signal(signal.SIGINT)
    assert platform.process.wait(60) == 0
    until(lambda: not platform.children(), seconds=20)
