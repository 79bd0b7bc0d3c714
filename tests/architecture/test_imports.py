"""What is heavy is loaded where it is used: the library and the command's help come up at once."""

import json
import subprocess
import sys
import time

import pytest
from nights import AIGC

HEAVY = {"torch", "transformers", "pandas", "duckdb", "great_expectations", "prefect"}
HELP_SECONDS = 1.0
SHOW_HELP = """
import sys
from flows.console.cli import main
sys.argv = ["aigc", "--help"]
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
"""


@pytest.mark.parametrize("code", ["import aigc_core", SHOW_HELP], ids=["library", "help"])
def test_nothing_heavy_is_loaded(code: str) -> None:
    tell = "\nimport json, sys\nprint(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code + tell], capture_output=True, text=True, check=True)
    assert not HEAVY & set(json.loads(done.stdout.splitlines()[-1]))


def test_help_is_quick() -> None:
    taken = []
    for _ in range(3):
        started = time.monotonic()
        subprocess.run([AIGC, "--help"], capture_output=True, check=True)
        taken.append(time.monotonic() - started)
    assert min(taken) < HELP_SECONDS
