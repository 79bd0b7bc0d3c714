"""What a profile says of a source: every row counted, types that lose nothing, defects found, bounded memory."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from strange_files import body, gb18030_csv, pairs_jsonl, plain_csv, shopify_export

from aigc_core.contracts.profile import Profile
from aigc_core.errors import SourceInvalid, UserError
from aigc_core.lines import spill
from aigc_core.lines.profile import declared, profile_source

Made = Callable[[str], Profile]


@pytest.fixture
def profile_of(tmp_path: Path) -> Made:
    """The profile of a CSV file with this text."""

    def profile(text: str) -> Profile:
        path = tmp_path / "source.csv"
        path.write_text(text, "utf-8")
        return profile_source(str(path))

    return profile


def column(values: list[str]) -> str:
    return "x,y\n" + "".join(f'"{value}",1\n' for value in values)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "20", "-3"], "integer"),
        (["1", "2.5", ".5", "1e3"], "number"),
        (["true", "FALSE", "no"], "boolean"),
        (["2026-01-31", "1999-12-01"], "date"),
        (["2026-01-31T10:00:00Z", "1999-12-01 23:59"], "timestamp"),
        (["one", "2"], "string"),
        (["0012", "0013"], "string"),
        (["1234567890123456", "2234567890123456"], "string"),
        (["2026-13-31", "1999-12-01"], "string"),
    ],
)
def test_types(values: list[str], kind: str, profile_of: Made) -> None:
    assert profile_of(column(values)).column("x").type == kind


def test_leading_zeros_are_told(profile_of: Made) -> None:
    assert "digits would be lost" in profile_of(column(["007", "008"])).column("x").basis


def test_a_mixed_column_is_text_and_says_so(profile_of: Made) -> None:
    found = profile_of(column(["4.5", "3.9", "No rating available"])).column("x")
    assert (found.type, found.basis) == ("string", "mixed: 2 of 3 values are numbers")


def test_missing_blank_and_present_add_up(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": "x"}\n{"a": "  "}\n{"b": "y"}\n{"a": null, "b": ""}\n')
    found = profile_source(str(path)).column("a")
    assert (found.values, found.blank, found.missing, found.rows) == (1, 1, 2, 4)


def test_unreadable_rows_are_counted_with_an_example(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": "x"}\n{broken\n{"a": "y"}\n')
    found = profile_source(str(path))
    assert (found.rows, found.unreadable_rows) == (3, 1)
    assert found.unreadable[0].number == 2
    assert found.unreadable[0].example.startswith("{broken")


@pytest.mark.parametrize(
    ("value", "defect"),
    [
        ("<p>Blue <b>cup</b></p>", "html"),
        ("Salt &amp; pepper", "entities"),
        ("CafÃ© table", "mojibake"),
        ("two\nlines", "line breaks"),
        (" outer ", "spaces around"),
        ("lost \ufffd here", "lost characters"),
        ("from <UNK> with", "placeholder inside"),
    ],
)
def test_defects(value: str, defect: str, profile_of: Made) -> None:
    assert profile_of(column([value, "fine", "fine too"])).column("x").defects == {defect: 1}


def test_comparison_signs_are_no_markup(profile_of: Made) -> None:
    assert not profile_of(column(["a < b and c > d", "<UNKNOWN>"])).column("x").defects


def test_placeholders_are_counted(profile_of: Made) -> None:
    found = profile_of(column(["N/A", "n/a", "TBD", "red"])).column("x")
    assert [(one.value, one.rows) for one in found.placeholders] == [("n/a", 2), ("tbd", 1)]


def test_lengths_without_tags(profile_of: Made) -> None:
    found = profile_of(column(["<p>Blue</p>", "<i>Red</i>"])).column("x")
    assert found.lengths
    assert found.plain
    assert (found.lengths.most, found.plain.least, found.plain.most) == (11, 3, 4)


def test_top_values_and_key(profile_of: Made) -> None:
    found = profile_of("x,y\na,1\nb,1\nc,2\n")
    assert found.column("x").key
    assert [(one.value, one.rows) for one in found.column("y").top] == [("1", 2), ("2", 1)]


def test_numbers_have_a_range(profile_of: Made) -> None:
    found = profile_of(column(["10", "9", "-2.5"])).column("x")
    assert (found.least, found.most) == ("-2.5", "10")


def test_columns_that_differ_in_case_are_two(profile_of: Made) -> None:
    found = profile_of("Name,name\na,b\nc,d\n")
    assert [one.top[0].value for one in found.columns] == ["a", "b"]


def test_many_different_values_are_counted_exactly(monkeypatch: pytest.MonkeyPatch, profile_of: Made) -> None:
    from aigc_core.lines import statistics

    monkeypatch.setattr(statistics, "FEW", 10)
    found = profile_of(column([f"v{number % 40}" for number in range(100)])).column("x")
    assert found.distinct == 40
    assert [one.rows for one in found.top] == [3] * 10


def test_small_files_on_disk_change_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = plain_csv(tmp_path / "plain.csv")
    whole = profile_source(str(path))
    monkeypatch.setattr(spill, "FLUSH_ROWS", 1)
    assert profile_source(str(path)).columns == whole.columns


def test_profile_is_json(tmp_path: Path) -> None:
    from dataclasses import asdict

    found = profile_source(str(plain_csv(tmp_path / "plain.csv")))
    assert json.loads(json.dumps(asdict(found)))["rows"] == 60


def test_too_many_columns_are_refused(monkeypatch: pytest.MonkeyPatch, profile_of: Made) -> None:
    monkeypatch.setattr(spill, "MOST_COLUMNS", 1)
    with pytest.raises(SourceInvalid, match="more than 1 columns"):
        profile_of("a,b\n1,2\n")


def test_shop_export_is_products(tmp_path: Path) -> None:
    found = profile_source(str(shopify_export(tmp_path / "shop.csv"))).structure
    assert (found.fold_by, found.products) == ("Handle", 60)
    assert set(found.varying) == {"Option1 Value", "Variant Price"}
    assert found.texts == {"en": "Body (HTML)"}
    assert found.filled["Title"] == 60


def test_variants_share_a_group(tmp_path: Path) -> None:
    found = profile_source(str(plain_csv(tmp_path / "plain.csv"))).structure
    assert (found.key, found.group, found.repeated_texts) == ("sku", "style_code", 40)
    assert found.texts == {"en": "text_en", "zh": "text_zh"}


def test_pair_lists_and_marks(tmp_path: Path) -> None:
    found = profile_source(str(pairs_jsonl(tmp_path / "pairs.jsonl")))
    assert found.column("attributes").kinds == {"pairs": 60}
    assert [(one.value, one.rows) for one in found.column("description").marks] == [("<UNK>", 6)]
    assert found.column("description").languages[0].language == "zh"


def test_encoding_and_delimiter_are_told(tmp_path: Path) -> None:
    found = profile_source(str(gb18030_csv(tmp_path / "shop.csv")))
    assert (found.files[0].encoding.lower(), found.files[0].delimiter) == ("gb18030", ";")
    assert found.column("商品编号").type == "string"
    assert found.structure.key == "商品编号"


def test_declared_reading_is_used(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_bytes(f"name|text\nTür|{body(1)}\n".encode("cp1252"))
    found = profile_source(str(path), reading=declared(encoding="cp1252", delimiter="|"))
    assert found.column("name").top[0].value == "Tür"


def test_a_long_delimiter_is_refused() -> None:
    with pytest.raises(UserError, match="one or two characters, or `tab`"):
        declared(delimiter="|||")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceInvalid, match=r"nowhere\.csv"):
        profile_source(str(tmp_path / "nowhere.csv"))


@pytest.mark.real
def test_real_articles(real_data: Path) -> None:
    found = profile_source(str(real_data / "catalogue" / "hm_articles.parquet"))
    assert (found.rows, found.structure.key, found.structure.group) == (100_454, "sku", "product_code")
    assert found.column("sku").type == "string"
    assert found.column("description").missing + found.column("description").blank == 100_454 - 100_054


@pytest.mark.real
def test_real_shop_export(real_data: Path) -> None:
    found = profile_source(str(real_data / "catalogue" / "shopify_hair_export.csv"))
    assert (found.rows, found.structure.fold_by, found.structure.products) == (565, "Handle", 84)
    assert found.column("Body (HTML)").defects["html"] == 84
