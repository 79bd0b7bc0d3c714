"""`kill -9` at any moment, the same command again: the shelf is that of a night nobody disturbed."""

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from nights import AIGC, DATE, LIMIT, LINE, SHELF, LineCopy, ask, one_night

from aigc_core.workspace import child_environment, finished_run, open_workspace

STEP_SECONDS = 120.0
SMALL_SHARDS = {"generation.shard_rows": 5}
"""Sixteen shards a night: there is always a middle."""
COMMIT = f"published/{LINE}/_delta_log/00000000000000000001.json"
MOMENTS = (
    "runs/*/run.json",
    "runs/*/catalogue.json",
    "runs/*/requests.json",
    "runs/*/shards/a1-00007.parquet",
    "runs/*/parts/a1-00012-*.json",
    "runs/*/verdicts/a1-00015-*.json",
    "runs/*/batch/00000.parquet",
    "runs/*/batch.json",
    "runs/*/audit/report.json",
    "runs/*/edition.json",
    "runs/*/outcomes.parquet",
    "runs/*/outcomes.json",
    "runs/*/summary.json",
    "run_index/_delta_log/00000000000000000001.json",
)
"""Files whose appearance is the moment to strike."""


@dataclass(frozen=True, slots=True)
class Shop:
    """Where the nights of one test happen."""

    lake: Path
    server: str

    @contextmanager
    def night(self) -> Iterator[subprocess.Popen[str]]:
        """`aigc nightly` as a process of its own; never outlives the block."""
        words = [AIGC, "nightly", LINE, "--lake", str(self.lake), "--limit", str(LIMIT)]
        with subprocess.Popen(
            [*words, "--engine", "template", "--date", DATE],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.lake.parent,
            env=child_environment(PREFECT_API_URL=self.server),
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def killed_at(self, moment: str) -> None:
        """Run until a file of that name is there, and no longer."""
        deadline = time.monotonic() + STEP_SECONDS
        with self.night() as process:
            while not any(self.lake.glob(moment)):
                assert process.poll() is None, f"ended before {moment}: {process.communicate()[1]}"
                assert time.monotonic() < deadline, f"{moment} never came"
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL

    def finished(self) -> None:
        """Run to the end."""
        with self.night() as process:
            _, said = process.communicate(timeout=STEP_SECONDS)
            assert process.returncode == 0, said

    def shelf(self) -> list[dict[str, object]]:
        """All that is published but the time of writing: run ids are equal for equal commands."""
        return ask(self.lake, f"SELECT * EXCLUDE (generated_at) FROM {SHELF} ORDER BY item_id, locale")  # noqa: S608


@pytest.fixture(scope="module")
def unbroken(prefect_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A night nobody disturbed."""
    from nights import copy_line

    home = tmp_path_factory.mktemp("unbroken")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIGC_LINES", str(copy_line(home / "lines", SMALL_SHARDS).parent))
        one_night(home / "lake")
        yield Shop(home / "lake", prefect_server)


@pytest.fixture
def broken(tmp_path: Path, prefect_server: str, line_copy: LineCopy) -> Shop:
    """An empty lake beside an equal line."""
    line_copy(SMALL_SHARDS)
    return Shop(tmp_path / "lake", prefect_server)


def require_equal(broken: Shop, unbroken: Shop) -> None:
    """Same shelf, each request once, nothing half-written, one run, one commit."""
    lake = broken.lake
    assert broken.shelf() == unbroken.shelf()
    assert ask(lake, f"SELECT item_id FROM {SHELF} GROUP BY item_id, locale HAVING count(*) > 1") == []  # noqa: S608
    (run,) = (lake / "runs").iterdir()
    summary = finished_run(open_workspace(str(lake)), run.name)
    ended = ask(lake, "SELECT count(*) AS n, count(DISTINCT request_key) AS requests FROM outcomes")
    assert ended == [{"n": 2 * LIMIT, "requests": 2 * LIMIT}]
    assert sum(summary.states.values()) == summary.requests == 2 * LIMIT
    assert summary.edition == 1
    assert ask(lake, "SELECT run_id FROM runs") == [{"run_id": run.name}]
    assert not [path for path in lake.rglob("*") if ".aside" in path.name]


def test_killed_while_writing_and_while_publishing(broken: Shop, unbroken: Shop) -> None:
    broken.killed_at("runs/*/parts/a1-00003-*.json")
    kept = {path: path.read_bytes() for path in broken.lake.glob("runs/*/parts/*.parquet")}
    broken.killed_at(COMMIT)
    assert not any(broken.lake.glob("runs/*/manifest.json"))
    broken.finished()
    require_equal(broken, unbroken)
    again = {path: path.read_bytes() for path in kept if path.exists()}
    assert len(again) >= 4
    assert {path: content for path, content in kept.items() if path in again} == again


def test_told_to_stop_it_keeps_what_is_finished_and_goes_on(broken: Shop, unbroken: Shop) -> None:
    with broken.night() as process:
        while not any(broken.lake.glob("runs/*/parts/a1-00001-*.json")):
            assert process.poll() is None
            time.sleep(0.002)
        process.terminate()
        _, said = process.communicate(timeout=30)
    assert (process.returncode, "The same command goes on where it stopped." in said) == (75, True), said
    assert "Traceback" not in said
    broken.finished()
    require_equal(broken, unbroken)


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_any_moment(moment: str, broken: Shop, unbroken: Shop) -> None:
    broken.killed_at(moment)
    if any(broken.lake.glob("runs/*/manifest.json")):  # the blow came after the end: nothing is left to go on with
        assert broken.shelf() == unbroken.shelf()
        return
    broken.finished()
    require_equal(broken, unbroken)


@pytest.mark.slow
def test_killed_again_and_again(broken: Shop, unbroken: Shop) -> None:
    for moment in MOMENTS:
        if not any(broken.lake.glob(moment)):
            broken.killed_at(moment)
    broken.finished()
    require_equal(broken, unbroken)
