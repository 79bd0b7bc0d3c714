"""Identities hold across processes: hash seeds, time zones and locales of a machine do not enter them."""

import json
import subprocess
import sys

import pytest

from aigc_core.workspace import child_environment

TELL = """
import json
from aigc_core.workspace import open_workspace, row_checks, rules_digest
lines = [open_workspace().line(name) for name in open_workspace().line_names()]
print(json.dumps({
    line.name: [line.digest, rules_digest(line, row_checks(line)), line.recipe.prompt_digest, line.recipe.checks_digest]
    for line in lines
}))
"""
PLACES = {
    "one": {"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C.UTF-8"},
    "another": {"PYTHONHASHSEED": "2", "TZ": "Asia/Shanghai", "LC_ALL": "C"},
    "a third": {"PYTHONHASHSEED": "3", "TZ": "America/Los_Angeles", "LC_ALL": "POSIX"},
}


def told(place: str) -> dict[str, list[str]]:
    """The digests of every shipped line, as a process in that place sees them."""
    settings = child_environment(**PLACES[place])
    done = subprocess.run([sys.executable, "-c", TELL], env=settings, capture_output=True, text=True, check=True)
    digests: dict[str, list[str]] = json.loads(done.stdout)
    return digests


@pytest.fixture(scope="module")
def here() -> dict[str, list[str]]:
    """What the first place says."""
    return told("one")


@pytest.mark.parametrize("place", ["another", "a third"])
def test_digests_are_the_same(place: str, here: dict[str, list[str]]) -> None:
    assert told(place) == here
