"""`kill -9` in the middle of an ingest, the same command again: the tables of an ingest nobody disturbed."""

import signal
import subprocess
import time
from pathlib import Path

import pytest
from nights import AIGC, LINE, ask

from aigc_core.workspace import child_environment, open_workspace

STEP_SECONDS = 120.0
MOMENTS = (
    f"scratch/{LINE}-corpus/work/.aside-*accepted.parquet",
    f"scratch/{LINE}-corpus/work/candidates.parquet",
    f"quarantine/{LINE}/_delta_log/00000000000000000001.json",
    f"unlabelled/{LINE}/_delta_log/00000000000000000001.json",
    f"corpora/{LINE}/_delta_log/00000000000000000001.json",
    f"intake/{LINE}/corpus-v1/corpus.html",
    f"scratch/{LINE}-catalogue/work/refused.parquet",
    f"quarantine/{LINE}/_delta_log/00000000000000000002.json",
    f"catalogues/{LINE}/_delta_log/00000000000000000001.json",
    f"intake/{LINE}/catalogue-v1/catalogue.html",
)
"""Files whose appearance is the moment to strike, in the order they come."""
TABLES = {
    f"catalogue_{LINE}": "position",
    f"corpus_{LINE}": "item_id, locale",
    f"unlabelled_{LINE}": "item_id, locale",
    "quarantine": "door, number, reason, raw",
}


def ingest(lake: Path, server: str) -> "subprocess.Popen[str]":
    """`aigc ingest` of the shipped sample as a process of its own."""
    return subprocess.Popen(
        [AIGC, "ingest", LINE, "--lake", str(lake)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=child_environment(PREFECT_API_URL=server),
    )


def killed_at(moment: str, lake: Path, server: str) -> None:
    """Run until a file of that name is there, and no longer."""
    deadline = time.monotonic() + STEP_SECONDS
    with ingest(lake, server) as process:
        while not any(lake.glob(moment)):
            assert process.poll() is None, f"ended before {moment}: {process.communicate()[1]}"
            assert time.monotonic() < deadline, f"{moment} never came"
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)


def finished(lake: Path, server: str) -> dict[str, object]:
    """Run to the end; every table's rows, and each table's version."""
    with ingest(lake, server) as process:
        _, said = process.communicate(timeout=STEP_SECONDS)
        assert process.returncode == 0, said
    rows = {
        name: ask(lake, f"SELECT * EXCLUDE (refused_at) FROM {name} ORDER BY {order}")  # noqa: S608
        if name == "quarantine"
        else ask(lake, f"SELECT * FROM {name} ORDER BY {order}")  # noqa: S608
        for name, order in TABLES.items()
    }
    workspace = open_workspace(str(lake))
    versions = {
        "catalogue": workspace.catalogue_table(LINE).version(),
        "corpus": workspace.corpus_table(LINE).version(),
        "quarantine": workspace.quarantine(LINE).version(),
    }
    pages = sorted(str(path.relative_to(lake)) for path in (lake / "intake").rglob("*.html"))
    left = [str(path) for path in (lake / "scratch").rglob("*") if path.name not in (".lock",) and path.is_file()]
    return {**rows, "versions": versions, "pages": pages, "left": left}


@pytest.fixture(scope="module")
def unbroken(prefect_server: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """An ingest nobody disturbed."""
    found = finished(tmp_path_factory.mktemp("unbroken") / "lake", prefect_server)
    assert found["versions"] == {"catalogue": 1, "corpus": 1, "quarantine": 2}
    assert found["left"] == []
    return found


def test_killed_between_two_tables(tmp_path: Path, prefect_server: str, unbroken: dict[str, object]) -> None:
    killed_at(MOMENTS[3], tmp_path / "lake", prefect_server)
    killed_at(MOMENTS[8], tmp_path / "lake", prefect_server)
    assert finished(tmp_path / "lake", prefect_server) == unbroken


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_any_moment(moment: str, tmp_path: Path, prefect_server: str, unbroken: dict[str, object]) -> None:
    killed_at(moment, tmp_path / "lake", prefect_server)
    assert finished(tmp_path / "lake", prefect_server) == unbroken
