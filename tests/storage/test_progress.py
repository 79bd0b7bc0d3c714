"""A step is done when its record is there and its bytes hold; anything else is done again."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from shop import flip

from aigc_core.errors import RunBusy
from aigc_core.records import Edition
from aigc_core.storage.files import write_text
from aigc_core.storage.progress import RunFolder

LOCK_AND_WAIT = """
import sys
from pathlib import Path
from aigc_core.storage.progress import RunFolder
RunFolder(Path(sys.argv[1])).lock()
print("locked", flush=True)
sys.stdin.read()
"""


class Work:
    """A step that counts how often it is made."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.made = 0

    def do(self) -> Edition:
        """The step's record, made if need be."""
        return self.folder.keep("step", Edition, self._make)

    def _make(self) -> tuple[Edition, list[Path]]:
        self.made += 1
        path = self.folder.file("deep", "text.txt")
        write_text(path, "the same words")
        return Edition(run_id="r", table="t", version=None, published=self.made), [path]


@pytest.fixture
def work(tmp_path: Path) -> Work:
    """A step in an empty run."""
    return Work(RunFolder(tmp_path / "run-1"))


@pytest.fixture
def other_process(work: Work) -> Iterator["subprocess.Popen[str]"]:
    """Another process that holds the run's lock until its input ends."""
    command = [sys.executable, "-c", LOCK_AND_WAIT, str(work.folder.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        yield process
        process.communicate("")


def test_a_step_is_made_once(work: Work) -> None:
    first = work.do()
    assert work.do() == first
    assert isinstance(work.do(), Edition)
    assert work.made == 1


def test_a_step_whose_file_is_gone_is_made_again(work: Work) -> None:
    work.do()
    work.folder.file("deep", "text.txt").unlink()
    assert work.do().published == 2


def test_a_step_whose_file_differs_by_a_byte_is_made_again(work: Work) -> None:
    work.do()
    flip(work.folder.file("deep", "text.txt"))
    assert work.folder.recall("step", Edition) is None
    assert work.do().published == 2


def test_a_step_without_its_record_is_made_again(work: Work) -> None:
    work.do()
    work.folder.file("step.json").unlink()
    assert work.do().published == 2


def test_seconds_are_those_of_the_making(work: Work) -> None:
    assert work.folder.seconds("step") == 0
    work.folder.note("step", {}, (), seconds=1.25)
    assert work.folder.seconds("step") == 1.25


def test_a_run_held_by_another_process_is_busy(work: Work, other_process: "subprocess.Popen[str]") -> None:
    with pytest.raises(RunBusy, match=rf"Run run-1 is being worked on by process {other_process.pid}\. Wait for it"):
        work.folder.lock()
    other_process.communicate("")
    work.folder.lock()
    work.folder.unlock()


def test_the_process_that_holds_a_run_may_ask_again(work: Work) -> None:
    work.folder.lock()
    work.folder.lock()
    assert work.folder.file(".lock").read_text("utf-8") == str(os.getpid())
    work.folder.unlock()
    work.folder.unlock()
