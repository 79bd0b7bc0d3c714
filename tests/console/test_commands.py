"""What the commands print."""

import csv
import json
import subprocess
from pathlib import Path

import pytest
from nights import AIGC, LIMIT, LINE, SHELF, Aigc, FirstNight, LineCopy

from aigc_core.records import TERMINAL_STATES
from aigc_core.workspace import child_environment

COUNTS = f"SELECT locale, count(*) AS n FROM {SHELF} GROUP BY 1 ORDER BY 1"  # noqa: S608 -- our own words


@pytest.fixture(scope="module")
def real_run(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """`aigc nightly --json` as a process of its own, with Prefect's embedded server."""
    home = tmp_path_factory.mktemp("real")
    words = [AIGC, "nightly", LINE, "--lake", str(home / "lake"), "--limit", "10", "--engine", "template", "--json"]
    settings = child_environment(PREFECT_HOME=str(home / "prefect"))
    return subprocess.run(words, capture_output=True, text=True, cwd=home, env=settings, timeout=240, check=False)


def test_a_real_night_ends_with_zero(real_run: subprocess.CompletedProcess[str]) -> None:
    assert real_run.returncode == 0, real_run.stderr
    assert "publish: 20/20 rows" in real_run.stderr
    assert "Traceback" not in real_run.stderr
    assert "Warning" not in real_run.stderr


def test_its_json_is_the_last_line_and_adds_up(real_run: subprocess.CompletedProcess[str]) -> None:
    found = json.loads(real_run.stdout.splitlines()[-1])
    assert tuple(found["states"]) == TERMINAL_STATES
    assert sum(found["states"].values()) == found["requests"] == 20
    assert sum(found["planned"].values()) == 20
    assert sum(found["attempts"].values()) >= found["states"]["published"]
    assert Path(found["report"]).is_file()


def test_blocked_night_exits_with_four(aigc: Aigc, line_copy: LineCopy, tmp_path: Path, prefect_server: str) -> None:
    line_copy({"publish.max_reject_share": 0, "checks.Q-L7.limits.zh.min_chars": 150})
    said = aigc("nightly", LINE, "--engine", "template", "--limit", "10", "--lake", tmp_path / "lake", "--json")
    found = json.loads(said.out.splitlines()[-1])
    assert said.code == 4
    assert found["blocked"]
    assert found["states"]["published"] == 0
    assert "The audit blocked run" in said.err
    assert not (tmp_path / "lake" / "published").exists()


def test_closing_table(aigc: Aigc, lake_copy: Path, prefect_server: str) -> None:
    said = aigc("nightly", LINE, "--engine", "template", "--limit", LIMIT, "--lake", lake_copy, "--date", "2026-11-03")
    assert said.code == 0
    assert f"unchanged        {2 * LIMIT}" in said.out
    assert "report: " in said.out


def test_lines(aigc: Aigc) -> None:
    assert {line["line"] for line in json.loads(aigc("lines", "--json").out)} >= {LINE, "ad_copy_zh"}
    assert LINE in aigc("lines").out


def test_runs(aigc: Aigc, first_night: FirstNight) -> None:
    (run,) = json.loads(aigc("runs", "--json", "--lake", first_night.lake).out)
    assert run["run"] == first_night.summary.run_id
    assert run["state"] == "finished"
    assert run["published"] == first_night.summary.states["published"]


def test_runs_names_the_unfinished(aigc: Aigc, lake_copy: Path) -> None:
    begun = lake_copy / "runs" / f"{LINE}-2026-11-09-00000000"
    begun.mkdir()
    (begun / "run.json").write_text("{}")
    states = {run["run"]: run["state"] for run in json.loads(aigc("runs", "--json", "--lake", lake_copy).out)}
    assert states[begun.name] == "unfinished"


def test_runs_of_an_empty_lake(aigc: Aigc, tmp_path: Path) -> None:
    assert json.loads(aigc("runs", "--json", "--lake", tmp_path / "none").out) == []


def test_show_says_why(aigc: Aigc, first_night: FirstNight) -> None:
    said = aigc("show", first_night.summary.run_id, "--lake", first_night.lake, "--rows", 3)
    header = next(line for line in said.out.splitlines() if line.startswith("item"))
    assert header.split() == ["item", "locale", "why", "state", "reason", "attempts", "tokens"]
    assert sum(" new " in line for line in said.out.splitlines()[-3:]) == 3


def test_show_one_item(aigc: Aigc, first_night: FirstNight) -> None:
    run, lake = first_night.summary.run_id, first_night.lake
    listed = json.loads(aigc("show", run, "--lake", lake, "--rows", 1, "--json").out)["listed"]
    item = listed[0]["item"]
    found = json.loads(aigc("show", run, "--lake", lake, "--item", item, "--json").out)["listed"]
    assert [(row["item"], row["locale"]) for row in found] == [(item, "en"), (item, "zh")]


def test_show_unknown_item(aigc: Aigc, first_night: FirstNight) -> None:
    said = aigc("show", first_night.summary.run_id, "--lake", first_night.lake, "--item", "x' OR 1=1 --")
    assert said.code == 2
    assert 'has no request for item "x\' OR 1=1 --"' in said.err


@pytest.mark.parametrize("condition", ["locale = 'en'", "locale <> 'zh'", "locale IN ('en')", "locale LIKE 'e%'"])
def test_query_filters(condition: str, aigc: Aigc, first_night: FirstNight) -> None:
    sql = f"SELECT count(*) AS n FROM {SHELF} WHERE {condition}"  # noqa: S608 -- our own words
    assert aigc("query", sql, "--lake", first_night.lake, "--format", "csv").out == f'"n"\n"{LIMIT}"\n'


def test_query_as_json_lines(aigc: Aigc, first_night: FirstNight) -> None:
    sql = f"SELECT item_id, text_labelled FROM {SHELF} WHERE locale = 'zh' ORDER BY item_id"  # noqa: S608
    rows = [
        json.loads(line)
        for line in aigc("query", sql, "--lake", first_night.lake, "--format", "jsonl").out.splitlines()
    ]
    assert len(rows) == LIMIT
    assert all("本内容由人工智能生成" in row["text_labelled"] for row in rows)


def test_query_as_table(aigc: Aigc, first_night: FirstNight) -> None:
    said = aigc("query", COUNTS, "--lake", first_night.lake)
    assert [line.split() for line in said.out.splitlines()] == [["locale", "n"], ["en", "40"], ["zh", "40"]]


def test_query_cut_short_says_so(aigc: Aigc, first_night: FirstNight) -> None:
    said = aigc("query", f"FROM {SHELF}", "--lake", first_night.lake, "--limit", 3, "--format", "jsonl")
    assert len(said.out.splitlines()) == 3
    assert "There are more than 3 rows: raise --limit." in said.err


def test_query_csv_keeps_spreadsheets_from_computing(aigc: Aigc, tmp_path: Path) -> None:
    sql = "SELECT '=1+1' AS a, ' @SUM(A1)' AS b, '＝1' AS c, '-2' AS d, 'safe, \"quoted\"' AS e"
    said = aigc("query", sql, "--lake", tmp_path / "none", "--format", "csv")
    header, row = csv.reader(said.out.splitlines())
    assert header == ["a", "b", "c", "d", "e"]
    assert row == ["'=1+1", "' @SUM(A1)", "'＝1", "'-2", 'safe, "quoted"']


def test_markup_in_data_is_shown_not_obeyed(aigc: Aigc, tmp_path: Path) -> None:
    said = aigc("query", "SELECT '[red]x[/red]' AS a", "--lake", tmp_path / "none")
    assert "[red]x[/red]" in said.out
