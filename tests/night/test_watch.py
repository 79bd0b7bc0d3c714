"""A worker that stands still ends itself, whatever it stands on."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aigc_core.workspace import child_environment

STILL = """
import sys, time
from pathlib import Path
from aigc_core.generation.shards import PART
from aigc_core.night.watch import Watch
from aigc_core.storage.journal import Journal
from aigc_core.storage.processes import this_process
journal = Journal(Path(sys.argv[1]), PART)
with Watch(2.0) as watch, watch.over("shard 1-4", journal):
    journal.mark({"groups": [["a", "b"]], "deaths": 0, "process": this_process()})
    {how}
"""
UNREADABLE = "(Path(sys.argv[1]) / 'flight.json').unlink(); (Path(sys.argv[1]) / 'flight.json').mkdir(); time.sleep(60)"
LOCKED = "import ctypes; ctypes.PyDLL(None).sleep(60)"


def still(folder: Path, how: str) -> "subprocess.CompletedProcess[str]":
    words = [sys.executable, "-c", STILL.replace("{how}", how), str(folder)]
    return subprocess.run(words, capture_output=True, text=True, check=False, env=child_environment(), timeout=30)


@pytest.mark.parametrize("how", ["time.sleep(60)", UNREADABLE], ids=["asleep", "lake gone"])
def test_a_process_that_stands_still_ends_itself(tmp_path: Path, how: str) -> None:
    assert still(tmp_path, how).returncode == -signal.SIGKILL


def test_it_names_what_it_stood_over(tmp_path: Path) -> None:
    said = still(tmp_path, "time.sleep(60)").stderr
    assert said.startswith("shard 1-4 made no progress for 2 s over 2 rows: its process ends, and they are tried apart")


def test_one_that_keeps_the_interpreters_lock_is_ended_by_the_timer(tmp_path: Path) -> None:
    ended = still(tmp_path, LOCKED)
    assert ended.returncode == 1
    assert "Timeout" in ended.stderr


def test_one_that_gets_on_is_left_alone(tmp_path: Path) -> None:
    on = "from aigc_core.events import stir; [(time.sleep(0.5), stir()) for _ in range(8)]"
    assert still(tmp_path, on).returncode == 0
