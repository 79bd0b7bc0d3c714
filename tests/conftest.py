"""The same clean surroundings for every test; one Prefect server and one finished night for those that ask."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from nights import Aigc, Edits, FirstNight, LineCopy, copy_line, one_night

from aigc_core.workspace import REPOSITORY, quiet_console, quiet_process

pytest_plugins = ("check_fixtures", "line_fixtures", "model_fixtures")
_REAL_DATA = pytest.StashKey[Path]()
_OWN = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Forget the user's settings before anything reads them; Prefect's own files go to a folder that is removed."""
    environment = os.environ  # noqa: TID251 -- isolation needs the whole of it
    config.stash[_REAL_DATA] = (REPOSITORY / environment.get("AIGC_REAL_DATA", "../shared/data")).resolve()
    config.stash[_OWN] = Path(tempfile.mkdtemp(prefix="aigc-tests-"))
    for name in [name for name in environment if name.startswith(("AIGC_", "PREFECT_"))]:
        del environment[name]
    environment["PREFECT_HOME"] = str(config.stash[_OWN] / "prefect")
    environment.setdefault("OMP_NUM_THREADS", "1")
    quiet_process()
    quiet_console()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove what the session left in its own folder."""
    shutil.rmtree(config.stash[_OWN], ignore_errors=True)


@pytest.fixture(scope="session")
def real_data(request: pytest.FixtureRequest) -> Path:
    """The folder of real data sets."""
    folder = request.config.stash[_REAL_DATA]
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: name its folder in AIGC_REAL_DATA")
    return folder


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[str]:
    """Address of the one Prefect server of the session; flows called in this process use it."""
    from prefect.settings import PREFECT_API_URL
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=180):
        yield str(PREFECT_API_URL.value())


@pytest.fixture(scope="session")
def first_night(prefect_server: str, tmp_path_factory: pytest.TempPathFactory) -> FirstNight:
    """Read it, query it, run more nights on copies of it; never write to it."""
    lake = tmp_path_factory.mktemp("first") / "lake"
    return FirstNight(lake, one_night(lake))


@pytest.fixture
def lake_copy(first_night: FirstNight, tmp_path: Path) -> Path:
    """A lake of one's own in which the first night has been."""
    return shutil.copytree(first_night.lake, tmp_path / "lake")


@pytest.fixture
def line_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LineCopy:
    """Makes a copy of the shipped line the only line there is."""

    def copy(edits: Edits) -> Path:
        folder = copy_line(tmp_path / "lines", edits)
        monkeypatch.setenv("AIGC_LINES", str(folder.parent))
        return folder

    return copy


@pytest.fixture
def aigc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Aigc:
    """The command as a person calls it in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Aigc(monkeypatch, capsys)
