"""Which process did something: told in names and claims, so that what a dead one left behind is known as such."""

import hashlib
import os
import secrets
import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

# A container restarted may give its new process the old one's number; this tells the two apart.
_BIRTH = secrets.token_hex(4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process of one host."""

    host: str
    """Eight hexadecimal digits: of the host's name, its start, and the container's own count of processes."""
    pid: int
    birth: str
    """Eight hexadecimal digits drawn when the process began."""

    def surely_dead(self) -> bool:
        """Whether it is known to have ended; of a process on another host that is never known."""
        own = this_process()
        if self.host != own.host:
            return False
        if self.pid == own.pid:
            return self.birth != own.birth
        return not _runs(self.pid)


def this_process() -> Process:
    """The one that asks."""
    return Process(host=_host(), pid=os.getpid(), birth=_BIRTH)


@lru_cache(maxsize=1)
def _host() -> str:
    """Containers may share a host's name and count their processes apart; a host restarted counts anew."""
    told = [socket.gethostname(), _read("/proc/sys/kernel/random/boot_id")]
    with suppress(OSError):
        told.append(str(Path("/proc/self/ns/pid").stat().st_ino))
    return hashlib.sha256(" ".join(told).encode()).hexdigest()[:8]


def _read(path: str) -> str:
    try:
        return Path(path).read_text("ascii").strip()
    except OSError:
        return ""


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _waits_to_be_buried(pid)


def _waits_to_be_buried(pid: int) -> bool:
    """Whether a process ended and its parent has not asked for its exit status yet."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return False
    return told.rpartition(")")[2].split()[:1] == ["Z"]
