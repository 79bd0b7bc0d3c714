"""One worker at a time on a piece of work; who is dead or silent loses it."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from aigc_core.storage.claims import Claim, Claims

CLAIM_AND_DIE = """
import os, signal, sys
from pathlib import Path
from aigc_core.storage.claims import Claims
assert Claims(Path(sys.argv[1])).claim("a") is not None
os.kill(os.getpid(), signal.SIGKILL)
"""


def held(claims: Claims, name: str = "a") -> Claim:
    """A claim that must be given."""
    claim = claims.claim(name)
    assert claim is not None
    return claim


@pytest.fixture
def claims(tmp_path: Path) -> Claims:
    """An empty folder of claims."""
    return Claims(tmp_path / "claims", expiry=30.0, beat=0.02)


def test_a_claim_keeps_others_out_until_it_is_released(claims: Claims) -> None:
    with held(claims) as claim:
        assert claims.claim("a") is None
        held(claims, "b").release()
        assert claim.heartbeat()
    with held(claims) as again:
        assert again.fence == claim.fence + 1


def test_a_silent_claim_is_taken_over_and_its_holder_learns_of_it(claims: Claims) -> None:
    silent = Claims(claims.folder, expiry=30.0, beat=3600.0)
    zombie = held(silent)
    (path,) = (claims.folder / "a").iterdir()
    os.utime(path, (0, 0))
    with held(claims) as heir:
        assert heir.fence == zombie.fence + 1
        assert not zombie.heartbeat()
        zombie.release()
        assert claims.claim("a") is None
        assert heir.heartbeat()


def test_the_heart_beats_by_itself(claims: Claims) -> None:
    with held(claims):
        (path,) = (claims.folder / "a").iterdir()
        os.utime(path, (0, 0))
        for _ in range(100):
            if path.stat().st_mtime > 0:
                break
            threading.Event().wait(0.02)
        assert claims.claim("a") is None


def test_a_claim_of_a_process_that_died_here_is_free_at_once(claims: Claims) -> None:
    subprocess.run([sys.executable, "-c", CLAIM_AND_DIE, str(claims.folder)], check=False)
    with held(claims) as claim:
        assert claim.fence == 2


def test_a_process_that_nobody_has_buried_yet_is_dead_too(claims: Claims) -> None:
    with subprocess.Popen([sys.executable, "-c", CLAIM_AND_DIE, str(claims.folder)]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        with held(claims) as claim:
            assert claim.fence == 2


def test_of_many_at_once_one_gets_it(claims: Claims) -> None:
    start, got = threading.Barrier(8), list[Claim]()

    def take() -> None:
        start.wait()
        claim = claims.claim("a")
        if claim is not None:
            got.append(claim)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1
    got[0].release()
