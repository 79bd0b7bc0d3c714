"""Every real and every dirty file goes through profile and ingest: its rows add up, or it gets one clear error."""

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from any_lines import any_line, tables_in

from aigc_core.corpus.catalogue import take_catalogue
from aigc_core.errors import SourceInvalid
from aigc_core.lines.profile import profile_source
from aigc_core.records import Door

REPLACED = "\ufffd"


def taken(source: Path, folder: Path) -> tuple[Door, list[str]]:
    """The file through profile and ingest: its door, and everything quarantine and catalogue hold of it as text."""
    profile = profile_source(str(source))
    line = any_line(folder, [column.name for column in profile.columns])
    tables = tables_in(folder)
    snapshot = take_catalogue(str(source), line, tables, folder / "items.parquet")
    assert snapshot.door.read == profile.rows
    held = tables.quarantine.dataset().to_table().to_pylist() if snapshot.door.quarantined else []
    assert len(held) == snapshot.door.quarantined
    assert all(row["reason"] and row["detail"] for row in held)
    texts = [row["raw"] for row in held]
    texts += [one["value"] for row in tables.items.dataset().to_table().to_pylist() for one in row["attributes"]]
    return snapshot.door, texts


def files_in(real_data: Path, scratch: Path) -> Iterator[Path]:
    """Catalogues, dirty files, and what the archives among them hold."""
    for file in sorted([*(real_data / "catalogue").iterdir(), *(real_data / "dirty").rglob("*")]):
        if file.name.endswith(".tar.gz"):
            home = scratch / file.name.removesuffix(".tar.gz")
            with tarfile.open(file) as archive:
                archive.extractall(home, filter="data")
            yield from sorted(path for path in home.rglob("*") if path.is_file())
        if file.is_file():
            yield file


def refusal(source: Path, folder: Path) -> SourceInvalid | None:
    """The one clear error the file gets, or None when all its rows are accounted for."""
    try:
        door, texts = taken(source, folder)
    except SourceInvalid as error:
        return error
    assert door.read == door.accepted + door.quarantined + door.repeated + door.folded, source
    if REPLACED.encode() not in source.read_bytes():
        assert not [text for text in texts if REPLACED in text], source
    return None


@pytest.mark.real
def test_every_file_is_taken_in_or_clearly_refused(real_data: Path, tmp_path: Path) -> None:
    files = list(files_in(real_data, tmp_path / "archives"))
    found = [refusal(file, tmp_path / f"f{number}") for number, file in enumerate(files)]
    refused = [error for error in found if error is not None]
    assert not [error for error in refused if not (error.valid or error.remedy)]
    assert len(found) - len(refused) > 90
    assert len(refused) > 100
