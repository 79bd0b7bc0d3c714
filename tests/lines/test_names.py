"""What names of columns say."""

import re

import pytest

from aigc_core.lines.names import (
    category_rank,
    is_bookkeeping,
    key_rank,
    label_of,
    locale_in,
    name_rank,
    prompt_place,
    safe_name,
    seller_rank,
    text_rank,
)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("Body (HTML)", "body"),
        ("productTypeName", "product_type_name"),
        ("Größe", "grosse"),
        ("Taille à l'unité", "taille_a_l_unite"),
        ("颜色", "colour"),
        ("Color", "colour"),
        ("2nd colour", "column_2_nd_colour"),
        ("产地国", "column_7"),
        ("select; drop table", "select_drop_table"),
    ],
)
def test_safe_names(name: str, safe: str) -> None:
    assert safe_name(name, (), place=7) == safe


def test_a_taken_name_gets_a_number() -> None:
    assert safe_name("name", {"name", "name_2"}, place=1) == "name_3"


def test_names_stay_short_and_apart() -> None:
    first = safe_name("a" * 90, (), place=1)
    second = safe_name("a" * 90, {first}, place=2)
    assert first != second
    assert all(re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name) for name in (first, second))


@pytest.mark.parametrize(
    ("name", "label"),
    [("Color (product.metafields.custom)", "Color"), ("Google Shopping / Gender", "Gender"), ("(odd)", "(odd)")],
)
def test_labels(name: str, label: str) -> None:
    assert label_of(name) == label


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("text_en", ("text", "en")),
        ("Description (DE)", ("description", "de")),
        ("body-zh-CN", ("body", "zh")),
        ("content_cn", ("content", "zh")),
        ("size_xl", ("size_xl", "")),
        ("text", ("text", "")),
    ],
)
def test_languages_in_names(name: str, found: tuple[str, str]) -> None:
    assert locale_in(name) == found


def test_descriptions_beat_summaries_and_seo() -> None:
    assert text_rank("Product description") > text_rank("summary") > 0 > text_rank("SEO Description")


def test_item_ids_beat_other_numbers() -> None:
    assert key_rank("sku") > key_rank("department_no") > key_rank("colour") == 0


def test_the_plain_name_is_the_name() -> None:
    assert name_rank("name") > name_rank("product_type_name") > name_rank("file name") == 0


def test_categories_and_sellers() -> None:
    assert category_rank("Type") > category_rank("Weight") == 0
    assert seller_rank("Vendor") > seller_rank("Title") == 0


@pytest.mark.parametrize("name", ["Variant Price", "Image Src", "updated_at_date", "inventoryQty", "价格"])
def test_bookkeeping(name: str) -> None:
    assert is_bookkeeping(name)


@pytest.mark.parametrize("name", ["colour", "Material", "section_name"])
def test_facts_are_no_bookkeeping(name: str) -> None:
    assert not is_bookkeeping(name)


def test_prompts_begin_with_the_name() -> None:
    assert sorted(("fit", "colour", "name", "odd"), key=prompt_place) == ["name", "colour", "fit", "odd"]
