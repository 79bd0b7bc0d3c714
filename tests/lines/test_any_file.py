"""Every real and every dirty file goes through profile and ingest: its rows add up, or it gets one clear error."""

import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import yaml

from aigc_core.contracts.content_line import ContentLine, read_content_line
from aigc_core.corpus.catalogue import CatalogueTables, take_catalogue
from aigc_core.errors import SourceInvalid
from aigc_core.lines.profile import profile_source
from aigc_core.records import Door
from aigc_core.storage.delta import Table
from aigc_core.workspace import REPOSITORY

SHIPPED = REPOSITORY / "data_contracts" / "ad_copy_zh"
REPLACED = "\ufffd"


def any_line(folder: Path, columns: Sequence[str]) -> ContentLine:
    """A line that takes every column as text and makes a key of all of them."""
    home = folder / "any_file"
    home.mkdir(parents=True)
    names = {f"c{place}": column for place, column in enumerate(columns) if column.isprintable() and column}
    properties = [{"name": "item_id", "logicalType": "string", "required": True, "primaryKey": True}]
    properties += [{"name": name, "logicalType": "string", "required": False} for name in names]
    head = {"apiVersion": "v3.1.0", "kind": "DataContract", "version": "1.0.0", "status": "active"}
    catalogue = {**head, "id": "any", "schema": [{"name": "catalogue", "properties": properties}]}
    (home / "catalogue.odcs.yaml").write_text(yaml.safe_dump(catalogue, allow_unicode=True), "utf-8")
    for part in ("corpus", "description"):
        (home / f"{part}.odcs.yaml").write_bytes((SHIPPED / f"{part}.odcs.yaml").read_bytes())
    recipe = {
        "line": "any_file",
        "title": "Any file",
        "locales": ["zh"],
        "cleaning": [{"key": {"into": "made key", "from": list(names.values())}}] if names else [],
        "columns": {"catalogue": {"item_id": "made key", **names}},
        "attributes": {name: {"column": name} for name in names or ["item_id"]},
        "prompt": "{{ item_id }}",
        "generation": {"engine": "template", "template": {"zh": "x"}},
    }
    (home / "recipe.yaml").write_text(yaml.safe_dump(recipe, allow_unicode=True), "utf-8")
    return read_content_line(home)


def taken(source: Path, folder: Path) -> tuple[Door, list[str]]:
    """The file through profile and ingest: its door, and everything quarantine and catalogue hold of it as text."""
    profile = profile_source(str(source))
    line = any_line(folder, [column.name for column in profile.columns])
    tables = CatalogueTables(
        items=Table(str(folder / "items")), quarantine=Table(str(folder / "quarantine")), scratch=folder / "scratch"
    )
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
