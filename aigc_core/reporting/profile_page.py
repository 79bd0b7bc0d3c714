"""What a source or a line holds, as one self-contained HTML page that opens offline and runs no script."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from aigc_core.contracts.profile import ColumnProfile, LineProfile, Profile
from aigc_core.records import SourceFile
from aigc_core.reporting.run_report import environment
from aigc_core.storage.files import write_text
from aigc_core.storage.source_files import public_name

MOST_CARDS = 120
"""Columns shown in full; further ones stand in the table only."""


def write_profile_page(found: Profile | LineProfile, path: Path) -> str:
    """Write the page atomically and return its path.

    Raises:
        LakeUnusable: the page cannot be written.
    """
    view = _of_line(found) if isinstance(found, LineProfile) else _of_source(found)
    write_text(path, environment().get_template("profile.html").render(view))
    return str(path)


def notes_on(column: ColumnProfile) -> list[str]:
    """What is remarkable about a column, in a few words each."""
    return [*_nature(column), *_blemishes(column)]


def how_read(file: SourceFile) -> str:
    """How a file was read, in one line."""
    parts = [file.format, file.compression, file.encoding]
    if file.encoding_basis and file.encoding:
        parts[-1] += f" ({file.encoding_basis})"
    if file.delimiter:
        parts.append(f"delimiter {_named(file.delimiter)}")
    if file.quote and file.quote != '"':
        parts.append(f"quote {file.quote}")
    if file.header_line > 1:
        parts.append(f"header in line {file.header_line}")
    return ", ".join(part for part in parts if part)


def structure_in_words(profile: Profile) -> list[str]:
    """How the rows belong together, a sentence each."""
    structure = profile.structure
    said = []
    if structure.fold_by:
        said.append(f"{profile.rows:,} lines are {structure.products:,} products: lines share {structure.fold_by!r}.")
    elif structure.key:
        repeats = f", {structure.key_repeats:,} rows repeat one" if structure.key_repeats else ""
        said.append(f"{structure.key!r} names an item{repeats}.")
    else:
        said.append("No column names an item.")
    for locale, name in structure.texts.items():
        said.append(f"{name!r} holds the text ({locale}).")
    if structure.group:
        said.append(f"Items equal in {structure.group!r} share one text; {structure.repeated_texts:,} repeat one.")
    elif structure.repeated_texts:
        said.append(f"{structure.repeated_texts:,} texts repeat another.")
    return said


def _of_source(profile: Profile) -> dict[str, object]:
    return {
        "title": Path(public_name(profile.source)).name or public_name(profile.source),
        "kind": "source",
        "parts": [_part("", profile)],
        "unread": {},
        "counts": {},
        "held": (),
    }


def _of_line(found: LineProfile) -> dict[str, object]:
    return {
        "title": found.line,
        "kind": "content line",
        "parts": [_part(name, profile) for name, profile in found.sources.items()],
        "unread": found.unread,
        "counts": found.counts,
        "held": found.held,
    }


def _part(name: str, profile: Profile) -> dict[str, object]:
    empty = sum(not column.values for column in profile.columns)
    return {
        "name": name,
        "anchor": "-".join(name.split()) or "source",
        "profile": profile,
        "figures": [
            ("rows", profile.rows, ""),
            ("cannot be read", profile.unreadable_rows, "bad" if profile.unreadable_rows else "ok"),
            ("items", profile.structure.products, ""),
            ("columns", len(profile.columns), ""),
            ("empty columns", empty, ""),
        ],
        "files": [(file, how_read(file)) for file in profile.files],
        "said": structure_in_words(profile),
        "columns": [(column, notes_on(column)) for column in profile.columns],
        "cards": [(column, notes_on(column)) for column in profile.columns if column.values][:MOST_CARDS],
    }


def _nature(column: ColumnProfile) -> Iterator[str]:
    if not column.values:
        yield "empty"
        return
    if column.key:
        yield "different in every row"
    elif column.constant:
        yield "the same in every row"
    for kind, words in _KINDS.items():
        if (count := column.kinds.get(kind, 0)) and count >= 0.5 * column.values:
            yield words
    if column.languages:
        yield ", ".join(f"{one.language} {one.share:.0%}" for one in column.languages[:3])
    if column.basis.startswith("mixed"):
        yield column.basis


def _blemishes(column: ColumnProfile) -> Iterator[str]:
    for defect, rows in column.defects.items():
        yield f"{defect} {rows:,}"
    if column.placeholders:
        told = ", ".join(f"{one.value} {one.rows:,}" for one in column.placeholders[:3])
        yield f"stands for nothing: {told}"
    if column.marks:
        yield f"inside texts: {', '.join(f'{one.value} {one.rows:,}' for one in column.marks[:3])}"


_KINDS: Mapping[str, str] = {
    "code": "codes, digits count",
    "url": "addresses",
    "pairs": "lists of pairs",
    "triples": "facts of three parts",
    "marked pairs": "pairs as name#value*name#value",
}


def _named(delimiter: str) -> str:
    return {"\t": "tab", " ": "space", ",": "comma", ";": "semicolon", "|": "bar"}.get(delimiter, delimiter)
