"""Small real nights on the shipped sample, for every test that needs one."""

import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from aigc_core.catalog.query import run_query
from aigc_core.records import RunSummary
from aigc_core.workspace import REPOSITORY, open_workspace, query_sources

AIGC = str(Path(sys.executable).with_name("aigc"))
LINE = "product_description"
SHELF = f"published_{LINE}"
LIMIT = 40
DATE = "2026-11-01"

Edits = Mapping[str, object]
"""Dotted path in the recipe -> new value."""
LineCopy = Callable[[Edits], Path]


@dataclass(frozen=True, slots=True)
class FirstNight:
    """One finished night of the shipped sample, written by the template engine."""

    lake: Path
    summary: RunSummary


def one_night(lake: Path, *, source: Path | None = None, date: str = DATE) -> RunSummary:
    """Run the flow in this process."""
    from flows.nightly import nightly

    named = str(source) if source else None
    return nightly(line=LINE, lake=str(lake), source=named, limit=LIMIT, engine="template", date=date)


def ask(lake: Path, sql: str) -> list[dict[str, Any]]:
    """What a reader of the lake is told."""
    rows: list[dict[str, Any]] = run_query(sql, query_sources(open_workspace(str(lake)))).rows.to_pylist()
    return rows


def copy_line(lines: Path, edits: Edits) -> Path:
    """Copy the shipped line into a folder of lines and change its recipe; the line's folder."""
    folder = shutil.copytree(REPOSITORY / "data_contracts" / LINE, lines / LINE)
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text("utf-8"))
    for path, value in edits.items():
        *above, last = path.split(".")
        place = recipe
        for name in above:
            place = place.setdefault(name, {})
        place[last] = value
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, allow_unicode=True, sort_keys=False), "utf-8")
    return folder


@dataclass(frozen=True, slots=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Aigc:
    """`aigc`, without the start of a process."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *words: object) -> Said:
        from flows.console.cli import main

        self.monkeypatch.setattr("sys.argv", ["aigc", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            main()
        said = self.capsys.readouterr()
        return Said(int(stopped.value.code or 0), said.out, said.err)
