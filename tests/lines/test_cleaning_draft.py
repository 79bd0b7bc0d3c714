"""Which cleaning a draft lists: in an order in which each step finds what it needs, and at the door it is for."""

import csv
from pathlib import Path

import pytest
from strange_files import body, word

from aigc_core.contracts.cleaning import Cleaner
from aigc_core.contracts.content_line import read_content_line
from aigc_core.contracts.recipe import Recipe
from aigc_core.contracts.schema import RawRow
from aigc_core.lines.draft import draft_line
from aigc_core.lines.profile import profile_source


@pytest.fixture
def dirty(tmp_path: Path) -> Recipe:
    """The recipe drafted from a file in which everything wants cleaning."""
    source = tmp_path / "dirty.csv"
    with source.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("sku", "name", "fabric", "description"))
        for n in range(40):
            fabric = ("n/a", "CrÃªpe", "silk &amp; wool", "<b>linen</b>")[n % 4]
            writer.writerow((f"P{n:03d}", f"Cup\x07 {word(n)}", fabric, f"<p>{body(n)} CafÃ© &amp; more.</p>"))
    return read_content_line(Path(draft_line(profile_source(str(source)), "dirty", tmp_path / "lines").folder)).recipe


def test_each_step_comes_after_what_uncovers_its_work(dirty: Recipe) -> None:
    assert [(step.name, step.only) for step in dirty.cleaning] == [
        ("mojibake", None),
        ("mojibake", "corpus"),
        ("controls", None),
        ("html_to_text", None),
        ("html_to_text", "corpus"),
        ("unicode", None),
        ("whitespace", None),
        ("placeholders", None),
    ]


def test_what_is_drafted_cleans(dirty: Recipe) -> None:
    values = {"sku": "P001", "name": "Cup\x07  one", "fabric": "CrÃªpe", "description": "<p>CafÃ© &amp; more</p>"}
    ((row,),) = Cleaner(dirty.cleaning, door="corpus").clean([[RawRow(1, dict(values))]])
    assert row.values == {"sku": "P001", "name": "Cup one", "fabric": "Crêpe", "description": "Café & more"}


def test_a_catalogue_need_not_bring_texts(dirty: Recipe) -> None:
    assert "description" in Cleaner(dirty.cleaning, door="corpus").needed
    assert Cleaner(dirty.cleaning, door="catalogue").needed == {"name", "fabric"}
