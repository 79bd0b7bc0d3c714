"""Scratch folders of the lake: one worker at a time, empty at the start, empty at the end."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from aigc_core.events import Progress, report_progress
from aigc_core.storage.files import lake_errors


@contextmanager
def alone_in(folder: Path) -> Iterator[Path]:
    """An empty folder that nobody else uses meanwhile; waits for whoever has it.

    What a killed process left there is removed. The lock spares double work on one host; correctness rests on
    idempotent commits.

    Raises:
        LakeUnusable: the folder cannot be made or emptied.
    """
    work = folder / "work"
    with lake_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = folder.joinpath(".lock").open("a")
    try:
        _wait_for(handle)
        with lake_errors(folder):
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)
    finally:
        handle.close()


def _wait_for(handle: IO[str]) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        report_progress(Progress(stage="wait", done=0, total=None, note="another ingest of this line is under way"))
        fcntl.flock(handle, fcntl.LOCK_EX)
