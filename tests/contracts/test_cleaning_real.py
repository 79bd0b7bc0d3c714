"""Real catalogues mapped by a recipe alone: every record that came is in a row, and the rows are clean."""

import json
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from aigc_core.contracts.cleaning import Cleaner
from aigc_core.contracts.mapping import attributes_of, changed_values, corpus_rows, require_columns
from aigc_core.contracts.model import Column, ObjectContract
from aigc_core.contracts.recipe import Recipe, read_recipe
from aigc_core.contracts.schema import RawRow
from aigc_core.storage.sources import read_source, source_columns

pytestmark = pytest.mark.real

HEAD = """\
line: real
title: Real
locales: [{locale}]
prompt: "{{{{ attributes | map(attribute='value') | join(' | ') }}}} =>"
"""
FASHION = """
cleaning:
  - mojibake: all
  - unicode: NFC
  - whitespace: all
  - title_case: {columns: [name], style: sentence}
columns:
  corpus: {item_id: sku, product_group: product_code, product_type: product_type_name, colour: colour_group_name}
  text: {en: description}
attributes:
  name: {column: name, required: true}
  type: {column: product_type}
  colour: {column: colour}
"""
AD_COPY = """
cleaning:
  - placeholders: {columns: [description], values: [<UNK>], do: remove}
  - pairs: {column: content, into: features, between: "*", within: "#"}
columns:
  corpus: {item_id: id}
  text: {zh: description}
  attribute_pairs: features
"""
AD_COPY_AS_CAME = """
cleaning:
  - rename: {summary: description}
  - key: {into: id, from: [content, description]}
  - placeholders: {columns: [description], values: [<UNK>], do: quarantine}
  - pairs: {column: content, into: features, between: "*", within: "#"}
columns:
  corpus: {item_id: id}
  text: {zh: description}
  attribute_pairs: features
"""
RESTAURANTS = """
cleaning:
  - whitespace: [text]
  - key: {into: id, from: [attributes, text]}
  - pairs: {column: attributes, into: attributes, names: {customerrating: customer rating}}
  - key: {into: group, from: [attributes]}
columns:
  corpus: {item_id: id, product_group: group}
  text: {en: text}
  attribute_pairs: attributes
"""
FACTS = """
cleaning:
  - placeholders: {columns: [comment], values: [bad, toFix], do: quarantine, match: cell, reason: marked as a bad text}
  - triples: {column: triples, into: facts}
  - key: {into: id, from: [triples, text]}
  - key: {into: group, from: [triples]}
  - whitespace: [text]
columns:
  corpus: {item_id: id, product_group: group}
  text: {en: text}
  attribute_pairs: facts
"""
SHOP = """
cleaning:
  - placeholders: {columns: [Option1 Value], values: [Default Title]}
  - placeholders: {columns: [Type], values: [Insurance], do: quarantine, match: cell, reason: a fee and no product}
  - fold: {by: Handle, collect: {options: Option1 Value}, count: variants, same: [Title]}
  - mojibake: all
  - controls: all
  - html_to_text: [Title, Body (HTML)]
  - unicode: NFC
  - whitespace: all
  - defaults: {Vendor: unknown}
columns:
  corpus: {item_id: Handle, name: Title, vendor: Vendor}
  text: {en: Body (HTML)}
attributes:
  name: {column: name, required: true}
  options: {column: options}
"""
REQUIRED = ("item_id",)
SHOPS = {"apparel": (22, 20), "hair_export": (565, 84), "home-and-garden": (21, 20), "jewelery": (41, 20)}


class Mapped(NamedTuple):
    """A file as training pairs."""

    recipe: Recipe
    cleaner: Cleaner
    rows: list[RawRow]
    """Cleaned."""
    pairs: list[dict[str, object]]
    contract: ObjectContract


def mapped(folder: Path, source: Path, recipe_text: str, *, locale: str = "en") -> Mapped:
    path = folder / "recipe.yaml"
    path.write_text(HEAD.format(locale=locale) + recipe_text, "utf-8")
    recipe = read_recipe(path)
    shown = [attribute.column for attribute in recipe.attributes.values()]
    names = dict.fromkeys([*recipe.columns.corpus, *shown, "locale", "text"])
    columns = tuple(Column(name=name, type="string", required=name in REQUIRED) for name in names)
    contract = ObjectContract(name="corpus", columns=columns)
    require_columns(recipe, contract, source_columns(str(source)), source.name)
    cleaner = Cleaner(recipe.cleaning, door="corpus")
    rows = [row for batch in cleaner.clean(read_source(str(source))) for row in batch]
    pairs = [pair for row in rows for pair in corpus_rows(recipe, contract, row.values)]
    return Mapped(recipe, cleaner, rows, pairs, contract)


def test_fashion_articles_keep_their_keys_and_lose_their_capitals(real_data: Path, tmp_path: Path) -> None:
    found = mapped(tmp_path, real_data / "catalogue" / "hm_articles.parquet", FASHION)
    assert sum(row.lines for row in found.rows) == len(found.pairs) == 100_454
    assert all(str(pair["item_id"]).startswith("0") for pair in found.pairs)
    assert found.cleaner.counts["title_case: name"] > 10_000
    assert found.cleaner.counts["mojibake: all"] == 1
    changed = [row for row in found.rows if row.source]
    assert changed_values(found.recipe, found.contract, changed[0])
    assert sum(pair["text"] is None for pair in found.pairs) == 400


def test_advertising_copy_keeps_repeated_attributes(real_data: Path, tmp_path: Path) -> None:
    source = real_data / "catalogue" / "advertisegen_zh_train.jsonl.gz"
    found = mapped(tmp_path, source, AD_COPY, locale="zh")
    shown = [attributes_of(found.recipe, pair) for pair in found.pairs]
    repeated = sum(len({one["name"] for one in pairs}) < len(pairs) for pairs in shown)
    assert (len(found.pairs), repeated) == (5_000, 3_571)
    assert not any("<UNK>" in str(pair["text"]) for pair in found.pairs)
    assert not any(row.complaints for row in found.rows)


def test_advertising_copy_in_its_own_encoding_is_held_back_where_words_are_missing(
    real_data: Path, tmp_path: Path
) -> None:
    found = mapped(tmp_path, real_data / "dirty" / "advertisegen_300_gbk.jsonl", AD_COPY_AS_CAME, locale="zh")
    held = [row for row in found.rows if row.complaints]
    assert len(found.pairs) == 300
    assert all("<UNK>" in str(row.values["description"]) for row in held)
    assert len(held) == sum("<UNK>" in str(pair["text"]) for pair in found.pairs) > 50


def test_restaurants_get_keys_and_groups(real_data: Path, tmp_path: Path) -> None:
    found = mapped(tmp_path, real_data / "catalogue" / "e2e_restaurant.parquet", RESTAURANTS)
    assert len(found.pairs) == 46_733
    assert len({pair["item_id"] for pair in found.pairs}) == 46_733 - 1_353
    assert len({pair["product_group"] for pair in found.pairs}) < 10_000
    names = {one["name"] for pair in found.pairs for one in attributes_of(found.recipe, pair)}
    assert len(names) == 8


def test_facts_become_attributes_and_bad_texts_are_held_back(real_data: Path, tmp_path: Path) -> None:
    found = mapped(tmp_path, real_data / "catalogue" / "webnlg_en.parquet", FACTS)
    assert len(found.pairs) == 20_370
    assert sum(bool(row.complaints) for row in found.rows) >= 133
    assert attributes_of(found.recipe, found.pairs[0]) == [
        {"name": "Aarhus Airport cityServed", "value": "Aarhus, Denmark"}
    ]


@pytest.mark.parametrize("shop", SHOPS)
def test_lines_of_shop_exports_become_products(real_data: Path, tmp_path: Path, shop: str) -> None:
    found = mapped(tmp_path, real_data / "catalogue" / f"shopify_{shop}.csv", SHOP)
    lines, products = SHOPS[shop]
    assert (sum(row.lines for row in found.rows), len(found.pairs)) == (lines, products)
    assert found.cleaner.folded == lines - products
    assert len({pair["item_id"] for pair in found.pairs}) == products
    assert not any(re.search(r"<\w|&\w+;|  |\xa0|\n", str(pair["text"])) for pair in found.pairs)
    assert not any(pair["options"] == "Default Title" for pair in found.pairs)


def test_a_fee_that_poses_as_a_product_is_held_back(real_data: Path, tmp_path: Path) -> None:
    found = mapped(tmp_path, real_data / "catalogue" / "shopify_hair_export.csv", SHOP)
    held = [(row.values["Handle"], row.lines, row.complaints) for row in found.rows if row.complaints]
    assert [(handle, complaints) for handle, _, complaints in held] == [
        ("routeins", (("Type", "Type: a fee and no product"),))
    ]
    bodies = [changed_values(found.recipe, found.contract, row).get("text", "") for row in found.rows]
    assert sum("<p" in body for body in bodies) > 40
    assert json.loads(json.dumps(found.rows[0].source))["lines"][0]["Handle"] == "routeins"
