"""A scratch folder is one worker's, empty at the start, gone at the end."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from aigc_core.errors import LakeUnusable
from aigc_core.storage.scratch import alone_in

HOLD = """
import sys
from pathlib import Path
from aigc_core.storage.scratch import alone_in
with alone_in(Path(sys.argv[1])) as work:
    (work / "half.parquet").write_text("half")
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_it_is_empty_and_goes(tmp_path: Path) -> None:
    with alone_in(tmp_path / "deep" / "s") as work:
        (work / "a").write_text("a")
    with alone_in(tmp_path / "deep" / "s") as work:
        assert list(work.iterdir()) == []
    assert not work.exists()


def test_it_goes_with_an_error_too(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="broken"), alone_in(tmp_path / "s") as work:
        raise ValueError("broken")
    assert not work.exists()


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.kill()
    assert (tmp_path / "work" / "half.parquet").exists()
    with alone_in(tmp_path) as work:
        assert list(work.iterdir()) == []


def test_the_second_waits_for_the_first(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with alone_in(tmp_path):
            order.append("second")

    with alone_in(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.3)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_a_file_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("a file")
    with pytest.raises(LakeUnusable, match="The lake cannot be used at"), alone_in(tmp_path / "s"):
        pass
