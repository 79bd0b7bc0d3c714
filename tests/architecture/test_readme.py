"""The README is true: its tree, its commands and its code are held against the repository."""

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from nights import FirstNight, ask
from repository import cli, repository_files

from aigc_core.contracts.recipe import Recipe
from aigc_core.workspace import REPOSITORY

README = (REPOSITORY / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def blocks(language: str) -> list[str]:
    """The README's code blocks of one language."""
    return [text for kind, text in BLOCKS if kind == language]


def tree() -> set[str]:
    """Paths drawn in the repository's tree; two spaces a level, a slash ends a folder."""
    drawn, above = set(), [""]
    text = next(block for block in blocks("") if block.startswith("pyproject.toml"))
    for line in text.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        above[depth + 1 :] = [above[depth] + line.split()[0]]
        drawn.add(above[-1])
    return drawn


def commands() -> list[list[str]]:
    """Every command line of the README, as words."""
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def statements(sql: str) -> list[str]:
    return [part.strip() for part in re.split(r";\s*\n|\n", sql) if part.strip(" ;\n")]


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    """The command that the words begin with, a verb of a group included, and the words it gets."""
    command = cli().commands[words[0]]
    verbs = getattr(command, "commands", {})
    return (verbs[words[1]], words[2:]) if verbs else (command, words[1:])


def test_the_tree_exists() -> None:
    missing = [path for path in sorted(tree()) if not (REPOSITORY / path).exists()]
    assert len(tree()) > 30
    assert not missing


def test_every_drawn_line_has_a_role() -> None:
    text = next(block for block in blocks("") if block.startswith("pyproject.toml"))
    mute = [line for line in text.splitlines() if len(line.split()) < 2 and line.strip() != "infra/"]
    assert not mute


def test_every_top_level_entry_is_drawn() -> None:
    entries = {path.split("/")[0] for path in repository_files()}
    drawn = {path.split("/")[0] for path in tree()}
    assert {name for name in entries if not name.startswith(".")} - {"README.md"} == drawn


@pytest.mark.parametrize("root", ["aigc_core", "flows", "infra", "data_contracts"])
def test_everything_beneath_is_drawn(root: str) -> None:
    drawn = tree()
    inside = [path for path in repository_files() if path.startswith(f"{root}/") and not path.endswith("__init__.py")]
    unmentioned = [path for path in inside if path not in drawn and "/".join(path.split("/")[:2]) + "/" not in drawn]
    assert not unmentioned


def test_the_command_table_is_the_command() -> None:
    assert set(re.findall(r"^\| `aigc (\w+)", README, re.MULTILINE)) == set(cli().commands)


def test_options_named_in_the_table_exist() -> None:
    for name, verb, rest in re.findall(r"^\| `aigc (\w+) ?(\w*)[^|]*\|(.*)\|$", README, re.MULTILINE):
        command = command_of([name, verb])[0]
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert set(re.findall(r"--[a-z-]+", rest)) <= known, name


@pytest.mark.parametrize("words", [words for words in commands() if words[0] == "aigc"], ids=" ".join)
def test_aigc_lines_parse(words: list[str]) -> None:
    command, arguments = command_of(words[1:])
    assert command.make_context(words[1], arguments).info_name == words[1]


def test_other_commands_name_files_that_are_there() -> None:
    others = [words for words in commands() if words[0] != "aigc"]
    named = [word for words in others for word in words if word.startswith("infra/")]
    assert {"infra/demo", "infra/check"} <= set(named)
    assert all((REPOSITORY / name).is_file() for name in named)


def answers(code: str) -> list[Any]:
    """Run code as a notebook does: the value of every line that is an expression."""
    space: dict[str, Any] = {}
    told = []
    for node in ast.parse(code).body:
        if isinstance(node, ast.Expr):
            told.append(eval(compile(ast.Expression(node.value), "README.md", "eval"), space))  # noqa: S307
        else:
            exec(compile(ast.Module([node], []), "README.md", "exec"), space)  # noqa: S102
    return told


def test_python_runs_on_a_published_table(first_night: FirstNight, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(first_night.lake.parent)
    lengths = [len(table) for block in blocks("python") for table in answers(block)]
    assert lengths
    assert all(lengths)
    assert first_night.summary.states["published"] in lengths


@pytest.mark.parametrize("sql", [*statements("".join(blocks("sql"))), *statements(Path("infra/demo.sql").read_text())])
def test_sql_runs(sql: str, first_night: FirstNight) -> None:
    rows = ask(first_night.lake, sql.rstrip(";"))
    assert rows or "findings" in sql


def test_sql_in_commands_runs(first_night: FirstNight) -> None:
    asked = [words[2] for words in commands() if words[:2] == ["aigc", "query"]]
    assert asked
    assert all(ask(first_night.lake, sql) for sql in asked)


def test_the_recipe_shown_holds() -> None:
    shown = [Recipe.model_validate(yaml.safe_load(block)) for block in blocks("yaml")]
    assert [recipe.line for recipe in shown] == ["mugs"]
