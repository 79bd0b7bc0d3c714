"""Claims: who works on what, so that workers on one lake seldom do the same work twice.

A claim spares double work and nothing else: what a worker writes is named by its content and noted atomically, so
one that returns after its claim ran out harms nobody.
"""

import json
import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from aigc_core.storage.failpoints import reach
from aigc_core.storage.files import lake_errors
from aigc_core.storage.processes import Process, this_process

EXPIRY = 60.0
"""Seconds without a heartbeat after which a claim may be taken over."""
BEAT = 5.0
"""Seconds between two heartbeats."""


class Claims:
    """The claims of one folder: `<name>/<fence>`, of which the highest number counts."""

    def __init__(self, folder: Path, *, expiry: float = EXPIRY, beat: float = BEAT) -> None:
        """Look at a folder; it is made with the first claim.

        Args:
            expiry: seconds without a heartbeat after which a claim may be taken over.
            beat: seconds between two heartbeats; well below `expiry`.
        """
        self.folder = folder
        self._expiry = expiry
        self._beat = beat

    def claim(self, name: str) -> "Claim | None":
        """Take a piece of work; None while somebody else holds it.

        A claim of a process that ended on this host is taken over at once, any other one when it expired.

        Raises:
            LakeUnusable: the folder cannot be written to.
        """
        home = self.folder / name
        with lake_errors(home):
            home.mkdir(parents=True, exist_ok=True)
            last = _last(home)
            if last and not self._free(home / str(last)):
                return None
            reach("claim.take")
            mine = home / str(last + 1)
            if not _created(mine):
                return None
            if _last(home) != last + 1:
                # Others went through several claims while this one slept between looking and taking.
                mine.unlink(missing_ok=True)
                return None
            (home / str(last)).unlink(missing_ok=True)
        return Claim(mine, last + 1, beat=self._beat)

    def _free(self, held: Path) -> bool:
        holder = _holder(held)
        if holder is not None and holder.surely_dead():
            return True
        with suppress(FileNotFoundError):
            return self._now() - held.stat().st_mtime > self._expiry
        return False

    def _now(self) -> float:
        """Seconds by the clock of the file system: the hosts' own may differ."""
        probe = self.folder / f".clock-{this_process().host}-{os.getpid()}-{threading.get_ident()}"
        probe.touch()
        try:
            os.utime(probe)
            return probe.stat().st_mtime
        finally:
            probe.unlink(missing_ok=True)


class Claim:
    """A piece of work that is one's own while the heart beats; use it as a context manager."""

    def __init__(self, path: Path, fence: int, *, beat: float) -> None:
        self._path = path
        self.fence = fence
        """Grows with every claim of the same work."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._live, args=(beat,), name=f"claim {path.parent.name}", daemon=True)
        self._thread.start()

    def heartbeat(self) -> bool:
        """Say that one is alive; False when the work was claimed by another since.

        Raises:
            OSError: the folder cannot be reached.
        """
        with suppress(FileNotFoundError):
            os.utime(self._path)
            return _last(self._path.parent) == self.fence
        return False

    def release(self) -> None:
        """Let the work go: whoever comes next may take it."""
        self._ended.set()
        self._thread.join()
        with suppress(OSError):
            # An empty holder that is as old as time has expired; the number stays, so that the next is higher.
            os.utime(self._path, (0, 0))

    def __enter__(self) -> "Claim":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.release()

    def _live(self, beat: float) -> None:
        while not self._ended.wait(beat):
            # A file system that fails for a moment ends no claim.
            with suppress(OSError):
                if not self.heartbeat():
                    return


def _created(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        return False
    own = this_process()
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({"host": own.host, "pid": own.pid, "birth": own.birth}, file)
    return True


def _last(home: Path) -> int:
    return max((int(path.name) for path in home.iterdir() if path.name.isdigit()), default=0)


def _holder(path: Path) -> Process | None:
    """Who wrote a claim; None while it is being written, or when it is gone."""
    try:
        told = json.loads(path.read_text("utf-8"))
    except (OSError, json.JSONDecodeError):
        return None
    if not isinstance(told, Mapping):
        return None
    return Process(host=str(told.get("host")), pid=int(told.get("pid", 0)), birth=str(told.get("birth")))
