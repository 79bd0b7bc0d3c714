"""The repository looked at from outside: its files and its command."""

import subprocess
from functools import cache
from typing import Any

import pytest

from aigc_core.workspace import REPOSITORY


@cache
def repository_files() -> tuple[str, ...]:
    """Every file that is or would be kept, relative to the root."""
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a git checkout")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    return tuple(sorted(path for path in set(listed.splitlines()) if (REPOSITORY / path).is_file()))


def cli() -> Any:  # noqa: ANN401 -- the command group inside typer, whose type is typer's own affair
    """The command `aigc` as a group of commands."""
    from typer.main import get_command

    from flows.console.cli import app

    return get_command(app)
