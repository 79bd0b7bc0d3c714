"""Bad input: one clear message, exit code 2, no traceback, and nothing written."""

from collections.abc import Callable
from pathlib import Path

import pytest
from nights import LINE, Aigc, LineCopy, Said

CATALOGUE = "sku,product_group,category,name,material\n"
Words = Callable[[Path], tuple[object, ...]]


def written(path: Path, text: str) -> Path:
    """A file with that text."""
    path.write_text(text, "utf-8")
    return path


REFUSED: dict[str, tuple[Words, str]] = {
    "wrong column": (
        lambda at: (LINE, "--source", written(at / "wrong.csv", "article,title\n1,Cup\n")),
        "wrong.csv lacks the columns category, name, product_group, sku. It has article, title. Name the",
    ),
    "missing file": (lambda at: (LINE, "--source", at / "none.csv"), "none.csv"),
    "folder": (lambda at: (LINE, "--source", at), "No file fits"),
    "empty file": (lambda at: (LINE, "--source", written(at / "empty.csv", "")), "empty.csv is empty"),
    "header only": (lambda at: (LINE, "--source", written(at / "head.csv", CATALOGUE)), "head.csv"),
    "unknown format": (lambda at: (LINE, "--source", written(at / "a.xlsx", "x")), ".csv"),
    "unknown line": (lambda _: ("mugs",), "There is no content line 'mugs'"),
    "line with a path": (lambda _: ("../../etc",), "There is no content line '../../etc'"),
    "no catalogue of its own": (lambda _: ("ad_copy_zh",), "ad_copy_zh has no catalogue of its own."),
    "impossible date": (lambda _: (LINE, "--date", "2026-02-30"), "'2026-02-30' is not a date."),
    "no date": (lambda _: (LINE, "--date", "tomorrow"), "A value cannot be used: - date: String should match"),
    "limit beyond all": (
        lambda _: (LINE, "--limit", "5000001"),
        "limit: Input should be less than or equal",
    ),
    "template takes no model": (lambda _: (LINE, "--model", "x"), "The template engine takes no model."),
    "limit zero": (lambda _: (LINE, "--limit", "0"), "--limit"),
    "unknown engine": (lambda _: (LINE, "--engine", "gpt"), "--engine"),
}


def require_refusal(said: Said, words: str) -> None:
    """Exit code 2 and one message that holds the words."""
    assert said.code == 2, said.err
    assert words in " ".join(said.err.split())
    assert said.err.count("error:") <= 1
    assert "Traceback" not in said.err
    assert not said.out


@pytest.mark.parametrize("name", REFUSED)
def test_nightly_refuses(name: str, aigc: Aigc, tmp_path: Path, prefect_server: str) -> None:
    words, message = REFUSED[name]
    engine = () if name == "unknown engine" else ("--engine", "template")
    said = aigc("nightly", *words(tmp_path), *engine, "--lake", tmp_path / "lake")
    require_refusal(said, message)
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize("model", ["nowhere/at-all", "folder"])
def test_model_that_is_not_there(model: str, aigc: Aigc, tmp_path: Path, prefect_server: str) -> None:
    (tmp_path / "folder").mkdir()
    named = tmp_path / model if model == "folder" else model
    said = aigc("nightly", LINE, "--engine", "hf", "--model", named, "--lake", tmp_path / "lake")
    require_refusal(said, model)
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("line: [", "is not YAML"),
        ("- line", "holds list, not a mapping"),
        ("line: product_description\ntitel: x\n", "line 2, titel: Extra inputs are not permitted"),
    ],
    ids=["not YAML", "not a mapping", "unknown field"],
)
def test_broken_recipe(
    text: str, message: str, line_copy: LineCopy, aigc: Aigc, tmp_path: Path, prefect_server: str
) -> None:
    written(line_copy({}) / "recipe.yaml", text)
    said = aigc("nightly", LINE, "--engine", "template", "--lake", tmp_path / "lake")
    require_refusal(said, message)
    assert not (tmp_path / "lake").exists()


def test_lake_that_is_a_file(aigc: Aigc, tmp_path: Path, prefect_server: str) -> None:
    lake = written(tmp_path / "lake", "mine")
    said = aigc("nightly", LINE, "--engine", "template", "--lake", lake)
    require_refusal(said, f"The lake cannot be used at {lake}")
    assert lake.read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("query", "SELECT * FROM nothing"), "nothing does not exist"),
        (("query", "DROP TABLE runs"), "Exactly one SELECT is accepted"),
        (("query", "SELECT 1; SELECT 2"), "Came: SELECT, SELECT."),
        (("query", "SELECT * FROM '/etc/passwd'"), "The query failed"),
        (("query", "SELECT 1", "--format", "xml"), "--format"),
        (("show", "no-such-run"), "There is no run 'no-such-run'"),
        (("up", "--lake", "s3://bucket/lake", "--port", "65535"), "This version writes to a folder on local disk."),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else "",
)
def test_other_commands_refuse(words: tuple[str, ...], message: str, aigc: Aigc, tmp_path: Path) -> None:
    lake = () if "--lake" in words else ("--lake", tmp_path / "lake")
    require_refusal(aigc(*words, *lake), message)
    assert not (tmp_path / "lake").exists()


def test_what_nobody_foresaw_is_told_without_a_traceback(aigc: Aigc, monkeypatch: pytest.MonkeyPatch) -> None:
    def unforeseen(*_: object) -> None:
        raise ZeroDivisionError("nobody thought of that")

    monkeypatch.setattr("flows.console.nights.list_runs", unforeseen)
    said = aigc("runs")
    assert said.code == 1
    assert "unexpected: nobody thought of that" in said.err
    assert "Traceback" not in said.err
    log = Path(said.err.rsplit("details in ", 1)[1].strip().removesuffix(")"))
    assert "ZeroDivisionError" in log.read_text("utf-8")


def test_a_server_that_does_not_answer_is_named(aigc: Aigc, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    said = aigc("nightly", "product_description", "--engine", "template", "--lake", tmp_path / "lake")
    assert said.code == 2
    assert "The Prefect server at http://127.0.0.1:9/api does not answer" in " ".join(said.err.split())
    assert not (tmp_path / "lake").exists()


def test_damaged_record_is_named(aigc: Aigc, lake_copy: Path) -> None:
    (run,) = (lake_copy / "runs").iterdir()
    written(run / "summary.json", "half a fi")
    said = aigc("show", run.name, "--lake", lake_copy)
    assert said.code == 1
    assert "summary.json is damaged" in " ".join(said.err.split())
