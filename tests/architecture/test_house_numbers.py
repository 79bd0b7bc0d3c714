"""Sizes and names the house keeps to."""

import ast
import re
import tokenize
from collections.abc import Iterator

from repository import repository_files

from aigc_core.workspace import REPOSITORY

FILE_LINES, FUNCTION_LINES, PARAMETERS = 500, 60, 5
TOP_LEVEL = {"pyproject.toml", "README.md", "flows", "aigc_core", "data_contracts", "tests", "infra"}
DRAWERS = {"utils", "util", "helpers", "helper", "common", "misc"}
FORMS = re.compile(r"flows/[a-z_]+\.py|flows/console/cli\.py")
"""As many parameters as a person may fill in."""
MODULES = [path for path in repository_files() if path.endswith(".py")]
DEBT = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3)) + r")\b")


def functions(path: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a module."""
    for node in ast.walk(ast.parse((REPOSITORY / path).read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return [argument.arg for argument in given if argument.arg not in ("self", "cls")]


def comments(path: str) -> str:
    """What a person says in a file: comments of code, all of a text."""
    with (REPOSITORY / path).open("rb") as file:
        if not path.endswith(".py"):
            return file.read().decode()
        return "\n".join(token.string for token in tokenize.tokenize(file.readline) if token.type == tokenize.COMMENT)


def test_files_fit_the_eye() -> None:
    lengths = {path: len((REPOSITORY / path).read_text("utf-8").splitlines()) for path in MODULES}
    assert not {path: length for path, length in lengths.items() if length > FILE_LINES}


def test_functions_fit_the_screen() -> None:
    sizes = {(path, f.name): (f.end_lineno or f.lineno) - f.lineno + 1 for path in MODULES for f in functions(path)}
    assert not {place: size for place, size in sizes.items() if size > FUNCTION_LINES}


def test_functions_ask_for_little() -> None:
    library = [path for path in MODULES if not path.startswith("tests/") and not FORMS.fullmatch(path)]
    asked = {(path, f.name): parameters(f) for path in library for f in functions(path)}
    assert not {place: names for place, names in asked.items() if len(names) > PARAMETERS}


def test_no_drawers() -> None:
    parts = {part.removesuffix(".py") for path in repository_files() for part in path.split("/")}
    assert not parts & DRAWERS


def test_nothing_is_left_for_later() -> None:
    texts = [path for path in repository_files() if path.endswith((".py", ".md", ".yaml", ".toml", ".sql"))]
    found = [path for path in texts if DEBT.search(comments(path))]
    assert not found


def test_top_level() -> None:
    entries = {path.split("/")[0] for path in repository_files()}
    assert {name for name in entries if not name.startswith(".")} == TOP_LEVEL
