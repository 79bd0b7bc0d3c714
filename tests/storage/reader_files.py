"""Files that the tests of the readers write, and what is read from them."""

from pathlib import Path

import pytest

from aigc_core.contracts.reading import Reading
from aigc_core.contracts.schema import RawRow
from aigc_core.errors import SourceInvalid
from aigc_core.records import SourceFile
from aigc_core.storage.sources import read_source, survey


def written(folder: Path, name: str, content: str | bytes) -> Path:
    """The file with this content."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return path


def rows_of(path: Path | str, **declared: object) -> list[RawRow]:
    """All rows, the broken ones too."""
    reading = Reading.model_validate(declared)
    return [row for batch in read_source(str(path), reading=reading) for row in batch]


def values_of(path: Path | str, **declared: object) -> list[dict[str, object]]:
    """The values of the rows that are whole."""
    return [row.values for row in rows_of(path, **declared) if not row.error]


def broken_in(path: Path | str, **declared: object) -> list[tuple[int, str, str]]:
    """Number, error and source text of the rows that are broken."""
    return [(row.number, row.error, row.raw) for row in rows_of(path, **declared) if row.error]


def said_of(path: Path | str, **declared: object) -> SourceFile:
    """How the only file of a source is read."""
    (said,) = survey(str(path), reading=Reading.model_validate(declared))
    return said


def refusal_of(path: Path | str, **declared: object) -> str:
    """The error of a source that is refused."""
    with pytest.raises(SourceInvalid) as caught:
        rows_of(path, **declared)
    return str(caught.value)
