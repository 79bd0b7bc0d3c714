"""A catalogue is a version that says what came, changed and went; a large drop waits for a person."""

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from shop import Rows, Shop, item, write_rows

from aigc_core.contracts.recipe import Recipe
from aigc_core.corpus.catalogue import take_catalogue
from aigc_core.errors import CatalogueShrunk
from aigc_core.records import CatalogueSnapshot, Shift
from aigc_core.storage.files import read_table

pytest_plugins = ("shop_fixtures",)

ITEMS = [item(number) for number in range(20)]


def take(shop: Shop, rows: Rows, *, confirm_drop: bool = False, name: str = "items.jsonl") -> CatalogueSnapshot:
    """The rows as the current catalogue, pinned in a file."""
    source = write_rows(shop.root / name, rows)
    path = shop.root / "pinned.parquet"
    return take_catalogue(source, shop.line, shop.catalogue_tables, path, confirm_drop=confirm_drop)


def test_the_first_version_says_what_came(shop: Shop) -> None:
    snapshot = take(shop, ITEMS)
    assert snapshot.shift == Shift(before=0, came=20, changed=0, went=0)
    assert (snapshot.version, snapshot.repeated, snapshot.table) == (1, False, shop.catalogue_tables.items.uri)
    assert shop.catalogue_tables.items.dataset(snapshot.version).count_rows() == 20


def test_a_changed_file_says_what_came_changed_and_went(shop: Shop) -> None:
    take(shop, ITEMS)
    second = take(shop, changed())
    assert second.shift == Shift(before=20, came=2, changed=3, went=1)
    assert second.version == 2
    note = shop.catalogue_tables.items.metadata_of_last_commit()
    assert [note[name] for name in ("came", "changed", "went")] == ["2", "3", "1"]


def changed() -> Rows:
    """One item less, three of another material, two more."""
    return [*(item(n, material="steel") for n in (1, 2, 3)), *ITEMS[4:], item(30), item(31)]


def test_the_same_file_again_is_no_version(shop: Shop) -> None:
    first = take(shop, ITEMS)
    before = read_table(first.path)
    Path(first.path).unlink()
    again = take(shop, ITEMS, name="renamed.jsonl")
    assert (again.repeated, again.version, again.fingerprint) == (True, first.version, first.fingerprint)
    assert again.shift == Shift(before=20)
    assert read_table(again.path).equals(before)
    assert again.door == first.door


def test_items_pinned_from_the_table_stand_in_source_order(shop: Shop) -> None:
    take(shop, ITEMS[::-1])
    again = take(shop, ITEMS[::-1])
    assert pq.read_table(again.path)["item_id"].to_pylist() == [str(row["sku"]) for row in ITEMS[::-1]]


def test_a_large_drop_waits_for_a_person(shop: Shop) -> None:
    take(shop, ITEMS)
    with pytest.raises(CatalogueShrunk, match=r"lacks 3 of the 20 items .*\(15%\).* --confirm-drop"):
        take(shop, ITEMS[3:])
    assert shop.catalogue_tables.items.version() == 1
    confirmed = take(shop, ITEMS[3:], confirm_drop=True)
    assert (confirmed.version, confirmed.shift.went) == (2, 3)


def test_a_tenth_may_go(shop: Shop) -> None:
    take(shop, ITEMS)
    assert take(shop, ITEMS[2:]).shift.drop == 0.1


def test_a_snapshot_names_duplicated_items_and_goes_on(shop: Shop) -> None:
    snapshot = take(shop, [*ITEMS, item(3, name="Another")])
    assert (snapshot.items, snapshot.door.quarantined) == (20, 1)
    kept = shop.quarantine.dataset().to_table().to_pylist()
    assert [row["reason"] for row in kept] == ["item_id: repeated"]
    assert "S-003" in kept[0]["detail"]


def test_raw_values_stay_beside_cleaned_ones(shop: Shop) -> None:
    recipe = shop.line.recipe.model_dump(mode="json") | {"cleaning": [{"html_to_text": ["name"]}]}
    line = replace(shop.line, recipe=Recipe.model_validate(recipe))
    source = write_rows(shop.root / "tagged.jsonl", [item(1, name="<b>Tall</b> jug"), item(2)])
    snapshot = take_catalogue(source, line, shop.catalogue_tables, shop.root / "pinned.parquet")
    rows = read_table(snapshot.path).to_pylist()
    assert [pair["value"] for pair in rows[0]["attributes"] if pair["name"] == "name"] == ["Tall jug"]
    assert [row["raw"] for row in rows] == ['{"name":"<b>Tall</b> jug"}', None]
    assert list(snapshot.door.cleaned.values()) == [1]
