"""Contracts written for one test."""

from collections.abc import Mapping
from pathlib import Path

from aigc_core.contracts.model import ObjectContract
from aigc_core.contracts.odcs import read_contract
from aigc_core.contracts.schema import RawRow

HEAD = """\
version: 1.0.0
kind: DataContract
apiVersion: v3.1.0
id: items
name: items
status: active
schema:
  - name: items
    properties:
"""


def contract_text(*properties: str, quality: tuple[str, ...] = ()) -> str:
    """A contract with one object `items`; each property and rule is one YAML flow mapping."""
    lines = [f"      - {{{one}}}" for one in properties]
    if quality:
        lines += ["    quality:", *(f"      - {{{one}}}" for one in quality)]
    return HEAD + "\n".join(lines) + "\n"


def contract_file(folder: Path, text: str) -> Path:
    """The text as a file."""
    path = folder / "items.odcs.yaml"
    path.write_text(text, "utf-8")
    return path


def items(folder: Path, *properties: str, quality: tuple[str, ...] = ()) -> ObjectContract:
    """The object `items` of such a contract."""
    return read_contract(contract_file(folder, contract_text(*properties, quality=quality))).objects["items"]


def raw(*rows: Mapping[str, object]) -> list[RawRow]:
    """Rows numbered from 1."""
    return [RawRow(number, dict(row)) for number, row in enumerate(rows, 1)]
