"""Content lines: which there are, and one by name."""

from pathlib import Path

from aigc_core.contracts.content_line import RECIPE, ContentLine, read_content_line
from aigc_core.errors import UnknownLine
from aigc_core.ids import is_safe_id


def list_lines(folder: Path) -> tuple[str, ...]:
    """Names of the lines in a folder, sorted: every sub-folder with a recipe."""
    return tuple(sorted(path.parent.name for path in folder.glob(f"*/{RECIPE}")))


def load_line(folder: Path, name: str) -> ContentLine:
    """One line, read and cross-checked.

    Raises:
        UnknownLine: no line of that name; lists those there are.
        RecipeInvalid, ContractInvalid: its files do not hold.
    """
    if not is_safe_id(name) or not (folder / name / RECIPE).is_file():
        raise UnknownLine(
            f"There is no content line {name!r} in {folder}.",
            f"There are: {', '.join(list_lines(folder)) or 'none'}.",
            "A line is a folder with three contracts and a recipe.yaml.",
        )
    return read_content_line(folder / name)
