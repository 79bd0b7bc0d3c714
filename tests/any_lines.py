"""Lines that take any file: every column as text, and a key made of all of them."""

from collections.abc import Sequence
from pathlib import Path

import yaml

from aigc_core.contracts.content_line import ContentLine, read_content_line
from aigc_core.corpus.catalogue import CatalogueTables
from aigc_core.storage.delta import Table
from aigc_core.workspace import REPOSITORY

SHIPPED = REPOSITORY / "data_contracts" / "ad_copy_zh"


def any_line(folder: Path, columns: Sequence[str]) -> ContentLine:
    """A line that takes every column as text and makes a key of all of them; the contract calls them c0, c1 ..."""
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


def tables_in(folder: Path) -> CatalogueTables:
    """Tables of a catalogue of their own."""
    return CatalogueTables(
        items=Table(str(folder / "items")), quarantine=Table(str(folder / "quarantine")), scratch=folder / "scratch"
    )
