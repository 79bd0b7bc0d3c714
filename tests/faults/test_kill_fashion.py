"""A night of a real catalogue, killed again and again a while after each start's first new row: it ends all the same.

    .venv/bin/python -m pytest -m "real and slow" tests/faults/test_kill_fashion.py

trains a small model once, then compares the killed night with one that nobody disturbed.
"""

import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from nights import AIGC, ask

from aigc_core.workspace import REPOSITORY, child_environment

LINE = "fashion_description"
SHELF = f"published_{LINE}"
AFTER = 4.0
"""Seconds from the first new row to the blow."""
LIMIT = 3000
PATIENCE = 900.0

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped line with a short training."""
    home = tmp_path_factory.mktemp("lines")
    folder = shutil.copytree(REPOSITORY / "data_contracts" / LINE, home / LINE)
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text("utf-8"))
    recipe["model"]["training"] |= {"max_tokens": 400_000, "evaluations": 1}
    recipe["publish"] = {"max_reject_share": 1.0}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, allow_unicode=True), "utf-8")
    return home


class Nights:
    """Nights of one command on one lake."""

    def __init__(self, lake: Path, lines: Path, articles: Path) -> None:
        self.lake = lake
        self._words = [
            AIGC, "nightly", LINE, "--source", str(articles), "--corpus", str(articles), "--limit", str(LIMIT),
            "--lake", str(lake), "--date", "2026-01-01",
        ]  # fmt: skip
        home = lake.with_suffix(".prefect")
        self._settings = child_environment(AIGC_LINES=str(lines), PREFECT_HOME=str(home))

    def whole(self) -> None:
        """One night to its end."""
        subprocess.run(self._words, env=self._settings, check=True, capture_output=True, timeout=PATIENCE)

    def struck(self) -> bool:
        """One night, killed a while after its first new row; whether it ended before the blow."""
        before = self._rows()
        with subprocess.Popen(
            self._words,
            env=self._settings,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            deadline = time.monotonic() + PATIENCE
            while process.poll() is None and self._rows() <= before:
                assert time.monotonic() < deadline, "no new row came"
                time.sleep(0.05)
            try:
                assert process.wait(AFTER) == 0
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                return False
        return True

    def shelf(self) -> list[dict[str, object]]:
        """All that is published, but the time of writing."""
        return ask(self.lake, f"SELECT * EXCLUDE (generated_at) FROM {SHELF} ORDER BY item_id, locale")  # noqa: S608

    def _rows(self) -> set[str]:
        return {str(path) for path in self.lake.glob("runs/*/parts/**/*.parquet") if ".aside" not in path.name}


def test_a_night_struck_again_and_again_publishes_what_an_unbroken_one_does(
    tmp_path: Path, lines: Path, real_data: Path
) -> None:
    articles = real_data / "catalogue" / "hm_articles.parquet"
    first = Nights(tmp_path / "first", lines, articles)
    first.whole()
    struck = Nights(tmp_path / "struck", lines, articles)
    shutil.copytree(first.lake / "models", struck.lake / "models")
    again = Nights(tmp_path / "again", lines, articles)
    shutil.copytree(first.lake / "models", again.lake / "models")
    again.whole()
    blows = 0
    while not struck.struck():
        blows += 1
        assert blows < 100
    assert blows >= 2
    assert struck.shelf() == again.shelf()
    assert len(struck.shelf()) > LIMIT / 3
