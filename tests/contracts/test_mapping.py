"""From a source's columns to the contract's, and from a contract's row to what the model is shown."""

import json
from pathlib import Path

import pytest
from shop import item, pair, read_line

from aigc_core.contracts.cleaning import Cleaner
from aigc_core.contracts.cleaning_steps import DoorName
from aigc_core.contracts.content_line import ContentLine
from aigc_core.contracts.mapping import (
    PAIRS,
    attributes_of,
    catalogue_row,
    changed_values,
    corpus_rows,
    held_against,
    missing_attributes,
    require_columns,
    written,
)
from aigc_core.contracts.schema import RawRow
from aigc_core.errors import SourceInvalid

pytest_plugins = ("shop_fixtures",)


@pytest.fixture
def paired(tmp_path: Path) -> ContentLine:
    """A line whose attributes come as a list of pairs."""
    columns = {"catalogue": {"item_id": "sku"}, "attribute_pairs": "feature_list"}
    return read_line(tmp_path, attributes={}, columns=columns)


def test_a_catalogue_row_has_the_contracts_columns(line: ContentLine) -> None:
    row = catalogue_row(line.recipe, line.catalogue_rows, item(1, material=None) | {"extra": 1})
    assert list(row) == [column.name for column in line.catalogue_rows.columns]
    assert (row["item_id"], row["material"]) == ("S-001", None)


@pytest.mark.parametrize("blank", ["", "  ", "\t\n"])
def test_blank_text_is_an_absent_value(line: ContentLine, blank: str) -> None:
    assert catalogue_row(line.recipe, line.catalogue_rows, item(1, material=blank))["material"] is None


def test_texts_in_columns_of_their_own_become_a_row_a_locale(line: ContentLine) -> None:
    source = pair(1)
    rows = corpus_rows(line.recipe, line.corpus_rows, source)
    assert [(row["locale"], row["text"]) for row in rows] == [("en", source["text_en"]), ("zh", source["text_zh"])]
    assert {row["item_id"] for row in rows} == {"S-001"}


def test_texts_in_one_column_stay_one_row(tmp_path: Path) -> None:
    line = read_line(tmp_path, columns={"corpus": {"item_id": "sku"}})
    rows = corpus_rows(line.recipe, line.corpus_rows, item(1, locale="zh", text="一"))
    assert [(row["locale"], row["text"]) for row in rows] == [("zh", "一")]


def test_attributes_stand_in_prompt_order_with_units(line: ContentLine) -> None:
    row = catalogue_row(line.recipe, line.catalogue_rows, item(1, feature=None))
    assert [(one["name"], one["value"]) for one in attributes_of(line.recipe, row)] == [
        ("category", "bottle"),
        ("name", "Birch I"),
        ("material", "glass"),
        ("capacity", "251 ml"),
    ]


def test_only_required_attributes_are_missed(line: ContentLine) -> None:
    row = catalogue_row(line.recipe, line.catalogue_rows, item(1, feature=None, material=None))
    assert missing_attributes(line.recipe, row) == ["material"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "yes"), (False, "no"), (3.0, "3"), (0.1, "0.1"), (1e-07, "0.0000001"), (100.0, "100"), (7, "7")],
)
def test_values_are_written_as_people_write_them(value: object, text: str) -> None:
    assert written(value) == text


def test_spaces_and_line_ends_in_a_value_cannot_break_the_prompt() -> None:
    assert written(" a\n\n  b\t c\u2028d ") == "a b c d"


@pytest.mark.parametrize(
    "value",
    [[["a", "1"], ["a", "2"]], '[["a", "1"], ["a", "2"]]', "[('a', '1'), ('a', 2)]", (("a", 1), ("a", 2))],
)
def test_pairs_come_as_lists_json_or_python(paired: ContentLine, value: object) -> None:
    row = catalogue_row(paired.recipe, paired.catalogue_rows, item(1, feature_list=value))
    assert json.loads(str(row[PAIRS])) == [["a", "1"], ["a", "2"]]
    assert attributes_of(paired.recipe, row) == [{"name": "a", "value": "1"}, {"name": "a", "value": "2"}]


@pytest.mark.parametrize("value", ["", "nonsense", "[]", [["a"]], 7, None, "[" * 10_000, "__import__('os')"])
def test_what_is_no_list_of_pairs_is_absent(paired: ContentLine, value: object) -> None:
    assert catalogue_row(paired.recipe, paired.catalogue_rows, item(1, feature_list=value))[PAIRS] is None


def test_a_fitting_source_may_have_more_columns(line: ContentLine) -> None:
    require_columns(line.recipe, line.catalogue_rows, [*item(1), "more"], "a.csv")
    require_columns(line.recipe, line.corpus_rows, [*pair(1), "more"], "a.csv")
    mapped = catalogue_row(line.recipe, line.catalogue_rows, {**item(1), "more": "kept out"})
    assert set(mapped) == {column.name for column in line.catalogue_rows.columns}


def test_a_missing_column_is_named_with_its_remedy(line: ContentLine) -> None:
    with pytest.raises(
        SourceInvalid,
        match=r"^a\.csv lacks the column text_zh\. It has .*\. .*recipe of product_description \(`columns\.corpus`\)",
    ):
        require_columns(line.recipe, line.corpus_rows, [name for name in pair(1) if name != "text_zh"], "a.csv")


def test_pairs_must_be_there_when_the_recipe_names_them(paired: ContentLine) -> None:
    with pytest.raises(SourceInvalid, match="lacks the column feature_list"):
        require_columns(paired.recipe, paired.catalogue_rows, item(1), "a.csv")


def cleaned(line: ContentLine, *values: dict[str, object], door: DoorName = "catalogue") -> list[RawRow]:
    """The rows as the line cleans them."""
    came = [RawRow(number, one) for number, one in enumerate(values, start=1)]
    return [row for batch in Cleaner(line.recipe.cleaning, door=door).clean([came]) for row in batch]


def test_columns_that_cleaning_makes_need_not_be_in_the_source(tmp_path: Path) -> None:
    steps = [{"rename": {"title": "name"}}, {"constants": {"category": "bottle"}}]
    line = read_line(tmp_path, cleaning=steps)
    there = {"title", *item(1)} - {"name", "category"}
    require_columns(line.recipe, line.catalogue_rows, there, "a.csv")
    with pytest.raises(SourceInvalid, match=r"lacks the column title, which the cleaning step `rename: title` names"):
        require_columns(line.recipe, line.catalogue_rows, there - {"title"}, "a.csv")


def test_a_column_that_cleaning_takes_away_is_missed(tmp_path: Path) -> None:
    line = read_line(tmp_path, cleaning=[{"rename": {"name": "title"}}])
    with pytest.raises(SourceInvalid, match=r"lacks the column name\. .*; cleaning makes title\."):
        require_columns(line.recipe, line.catalogue_rows, item(1), "a.csv")


def test_a_column_is_not_renamed_onto_another(tmp_path: Path) -> None:
    line = read_line(tmp_path, cleaning=[{"rename": {"sku": "name"}}])
    with pytest.raises(SourceInvalid, match=r"has the column name already; the cleaning step `rename: sku`"):
        require_columns(line.recipe, line.catalogue_rows, item(1), "a.csv")


def test_columns_of_a_step_for_the_other_door_are_not_asked_for(tmp_path: Path) -> None:
    line = read_line(tmp_path, cleaning=[{"html_to_text": ["text_en"], "only": "corpus"}])
    require_columns(line.recipe, line.catalogue_rows, item(1), "a.csv")
    everywhere = read_line(tmp_path, cleaning=[{"html_to_text": ["text_en"]}])
    with pytest.raises(SourceInvalid, match="add `only: corpus` to it"):
        require_columns(everywhere.recipe, everywhere.catalogue_rows, item(1), "a.csv")


def test_what_cleaning_changed_is_told_by_contract_column(tmp_path: Path) -> None:
    steps = [
        {"rename": {"title": "name"}},
        {"whitespace": "all"},
        {"placeholders": {"columns": "feature", "values": ["-"]}},
    ]
    line = read_line(tmp_path, cleaning=steps)
    came = {name: value for name, value in item(1).items() if name != "name"} | {"title": " Mug  A", "feature": "-"}
    changed, same = cleaned(line, came, came | {"title": "Mug", "feature": "lid"})
    assert changed_values(line.recipe, line.catalogue_rows, changed) == {"name": " Mug  A", "feature": "-"}
    assert changed_values(line.recipe, line.catalogue_rows, same) == {}
    assert changed_values(line.recipe, line.catalogue_rows, RawRow(1, came)) == {}


def test_a_value_made_of_several_shows_them_all(tmp_path: Path) -> None:
    steps = [
        {"fold": {"by": "sku", "collect": {"feature": "size"}}},
        {"compose": {"into": "name", "from": ["brand", "name"]}},
    ]
    line = read_line(tmp_path, cleaning=steps)
    (row,) = cleaned(
        line, {"sku": "1", "brand": "Oak", "name": "Mug", "size": "S"}, {"sku": "1", "brand": "", "size": "M"}
    )
    assert row.values["name"] == "Oak Mug"
    assert changed_values(line.recipe, line.catalogue_rows, row) == {"name": "Oak | Mug", "feature": "S | M"}


def test_changed_texts_are_told_by_locale(line: ContentLine) -> None:
    row = RawRow(1, pair(1, text_en="A cup."), source=pair(1, text_en="<p>A cup."))
    assert changed_values(line.recipe, line.corpus_rows, row) == {"text en": "<p>A cup."}


def test_a_bad_text_is_held_against_its_own_locale_only(line: ContentLine) -> None:
    complaints = (("text_zh", "text_zh: bad"), ("name", "name: bad"))
    english, chinese = corpus_rows(line.recipe, line.corpus_rows, pair(1))
    assert held_against(line.recipe, english, complaints) == complaints[1:]
    assert held_against(line.recipe, chinese, complaints) == complaints


def test_recipes_of_one_contract_keep_their_own_columns(tmp_path: Path, line: ContentLine) -> None:
    other = read_line(tmp_path, columns={"catalogue": {"item_id": "code"}})
    for _ in range(2):
        assert catalogue_row(line.recipe, line.catalogue_rows, {"sku": "1", "code": "2"})["item_id"] == "1"
        assert catalogue_row(other.recipe, line.catalogue_rows, {"sku": "1", "code": "2"})["item_id"] == "2"
