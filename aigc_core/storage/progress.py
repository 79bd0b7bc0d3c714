"""A run's folder: what is done is what lies on disk and still hashes to what its step wrote down.

Nothing here trusts an orchestrator's state. A step is done when `<step>.json` exists and every file it names
has the SHA-256 it names; anything else is done again.
"""

import fcntl
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from aigc_core.errors import IntegrityBroken, RunBusy
from aigc_core.storage.files import lake_errors, read_json, sha256_of, write_json

LOCK = ".lock"
T = TypeVar("T")
_held: dict[Path, IO[str]] = {}


class RunFolder:
    """`runs/<run_id>/`: immutable step outputs, each with its record."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def run_id(self) -> str:
        """The folder's name."""
        return self.path.name

    def file(self, *parts: str) -> Path:
        """A path inside the folder; parents are made on writing."""
        return self.path.joinpath(*parts)

    def keep(self, step: str, kind: type[T], make: Callable[[], tuple[T, Sequence[Path]]]) -> T:
        """The step's record: the one written down, if its files still hold, else made now.

        `make` returns the record and the files it stands for. Seconds spent are written beside it.
        """
        kept = self.recall(step, kind)
        return self.make(step, make) if kept is None else kept

    def make(self, step: str, make: Callable[[], tuple[T, Sequence[Path]]]) -> T:
        """The step's record, made now whatever was written down before; see `keep`."""
        started = time.monotonic()
        record, files = make()
        self.note(step, record, files, seconds=time.monotonic() - started)
        return record

    def note(
        self,
        step: str,
        record: object,
        files: Sequence[Path],
        *,
        seconds: float,
        facts: Mapping[str, object] | None = None,
    ) -> None:
        """Write a step's record down: from now on it is done.

        Args:
            facts: more about the making, for people; nothing depends on them.
        """
        hashes = {str(file.relative_to(self.path)): sha256_of(file) for file in files}
        told = {"facts": dict(facts)} if facts else {}
        kept = {"record": record, "files": hashes, "seconds": round(seconds, 3), **told}
        write_json(self.file(f"{step}.json"), kept)

    def recall(self, step: str, kind: type[T]) -> T | None:
        """The step's record, or None when it is not done or its bytes no longer hold."""
        path = self.file(f"{step}.json")
        if not path.exists():
            return None
        try:
            kept = TypeAdapter(dict[str, Any]).validate_python(read_json(path))
            record = TypeAdapter(kind).validate_python(kept.get("record"))
        except (IntegrityBroken, ValidationError):
            return None
        return record if self._holds(kept.get("files", {})) else None

    def seconds(self, step: str) -> float:
        """Seconds the step took when it was done; 0 when it was not."""
        path = self.file(f"{step}.json")
        kept = read_json(path) if path.exists() else {}
        return float(kept.get("seconds", 0)) if isinstance(kept, dict) else 0.0

    def lock(self) -> None:
        """Keep other processes of this host out until `unlock` or the end of the process.

        The lock spares double work; correctness rests on immutable files and idempotent commits.

        Raises:
            RunBusy: another process holds it.
        """
        hold(self.path, f"Run {self.run_id}")

    def unlock(self) -> None:
        """Let others in again."""
        release(self.path)

    def _holds(self, files: dict[str, str]) -> bool:
        return all(self.file(name).is_file() and sha256_of(self.file(name)) == digest for name, digest in files.items())


def hold(folder: Path, name: str) -> None:
    """Keep other processes of this host out of a folder until `release` or the end of the process.

    Raises:
        RunBusy: another process holds it.
    """
    if folder in _held:
        return
    with lake_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = folder.joinpath(LOCK).open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        handle.seek(0)
        holder = handle.read().strip() or "unknown"
        handle.close()
        raise RunBusy(
            f"{name} is being worked on by process {holder}.",
            remedy="Wait for it, or stop it: the same command then goes on where it stopped.",
        ) from error
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    _held[folder] = handle


def release(folder: Path) -> None:
    """Let others in again."""
    handle = _held.pop(folder, None)
    if handle is not None:
        handle.close()


def as_record(kind: type[T], json_text: str) -> T:
    """A record from its canonical JSON."""
    return TypeAdapter(kind).validate_json(json_text)
