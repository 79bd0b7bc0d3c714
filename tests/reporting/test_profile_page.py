"""The page of a profile: whole, offline, and shown values never run."""

import re
from pathlib import Path

import pytest

from aigc_core.contracts.profile import (
    ColumnProfile,
    HeldReason,
    LanguageShare,
    Lengths,
    LineProfile,
    Profile,
    Structure,
    Unreadable,
    ValueCount,
)
from aigc_core.records import SourceFile
from aigc_core.reporting.profile_page import how_read, notes_on, structure_in_words, write_profile_page

HOSTILE = "<script>alert(1)</script>"
NAMED = ColumnProfile(
    name="name",
    type="string",
    basis="text",
    values=8,
    missing=1,
    blank=0,
    distinct=4,
    lengths=Lengths(least=1, p01=1, median=5, p95=9, p99=9, most=9),
    defects={"html": 2},
    placeholders=(ValueCount(value="n/a", rows=3),),
    languages=(LanguageShare(language="en", share=1.0),),
    top=(ValueCount(value=HOSTILE, rows=5), ValueCount(value="a\u202eb", rows=3)),
)
EMPTY = ColumnProfile(name="gone", type="empty", basis="no value", values=0, missing=9, blank=0, distinct=0)
FILE = SourceFile(
    path="/data/a.csv",
    bytes=1234,
    format="csv",
    compression="gzip",
    encoding="gb18030",
    encoding_basis="detected",
    delimiter=";",
    quote='"',
    header_line=3,
    notes=("two lines before the header were skipped",),
)
PROFILE = Profile(
    source="/data/a.csv",
    files=(FILE,),
    rows=10,
    unreadable=(Unreadable(reason="bytes that do not decode", rows=1, number=7, example="caf\\xe9"),),
    columns=(NAMED, EMPTY),
    structure=Structure(key="name", products=9, texts={"en": "name"}, group="code", repeated_texts=2),
    seconds=0.1,
)


@pytest.fixture
def page(tmp_path: Path) -> str:
    return Path(write_profile_page(PROFILE, tmp_path / "page.html")).read_text("utf-8")


def test_page_loads_nothing(page: str) -> None:
    assert "default-src 'none'" in page
    assert not re.findall(r"<script|<link|<img|@import|(?:src|href)=\"(?!#)", page)


def test_values_are_shown_not_run(page: str) -> None:
    assert HOSTILE not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "⟨U+202E⟩" in page


@pytest.mark.parametrize(
    "shown",
    ["bytes that do not decode", "two lines before the header were skipped", "gb18030 (detected)", "html 2", "n/a 3"],
)
def test_page_shows(shown: str, page: str) -> None:
    assert shown in page


def test_the_table_of_columns_has_the_full_width(page: str) -> None:
    assert '<section class="full" id="source-columns">' in page
    assert "section.full { grid-template-columns: minmax(0, 1fr); }" in page


def test_page_of_a_line_shows_its_quarantine(tmp_path: Path) -> None:
    held = HeldReason(door="catalogue", reason="name: missing", rows=4, examples=("row 2: gone",))
    found = LineProfile(
        line="mugs", sources={"catalogue": PROFILE}, unread={"corpus": "not there"}, counts={"items": 5}, held=(held,)
    )
    page = Path(write_profile_page(found, tmp_path / "page.html")).read_text("utf-8")
    assert all(shown in page for shown in ("name: missing", "row 2: gone", "not there", "mugs"))


def test_remarks() -> None:
    assert notes_on(NAMED) == ["en 100%", "html 2", "stands for nothing: n/a 3"]
    assert notes_on(EMPTY) == ["empty"]


def test_how_a_file_was_read() -> None:
    assert how_read(FILE) == "csv, gzip, gb18030 (detected), delimiter semicolon, header in line 3"


def test_structure_in_words() -> None:
    assert structure_in_words(PROFILE) == [
        "'name' names an item.",
        "'name' holds the text (en).",
        "Items equal in 'code' share one text; 2 repeat one.",
    ]
