"""Every row that comes to a door goes in, or to quarantine with its reason."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from shop import Shop, item, write_rows

from aigc_core.corpus.catalogue import take_catalogue
from aigc_core.errors import SourceInvalid
from aigc_core.records import CatalogueSnapshot

pytest_plugins = ("shop_fixtures",)

DIRTY = [
    item(1),
    item(1),
    item(1, name="Another name"),
    item(2, category="gift card"),
    item(3, capacity_ml=-5),
    item(4, sku=None),
    item(5, capacity_ml="much"),
    item(6),
]
REASONS = {
    "item_id: repeated": 1,
    "category: not one of the allowed values": 1,
    "capacity_ml: below 50": 1,
    "item_id: missing": 1,
    "capacity_ml: not a whole number": 1,
}


def present(row: dict[str, object]) -> dict[str, object]:
    """Without the columns that hold nothing."""
    return {name: value for name, value in row.items() if value is not None}


def take(shop: Shop, rows: list[dict[str, object]]) -> CatalogueSnapshot:
    """The rows through the catalogue's door."""
    source = write_rows(shop.root / "dirty.jsonl", rows)
    return take_catalogue(source, shop.line, shop.catalogue_tables, shop.root / "catalogue.parquet", confirm_drop=True)


def test_every_row_is_accounted_for(shop: Shop) -> None:
    door = take(shop, DIRTY).door
    assert (door.rows, door.accepted, door.quarantined, door.repeated) == (8, 2, 5, 1)
    assert sum(door.reasons.values()) == door.quarantined
    assert door.reasons == REASONS


def test_accepted_rows_stand_in_source_order(shop: Shop) -> None:
    snapshot = take(shop, DIRTY)
    items = pq.read_table(snapshot.path).to_pylist()
    assert [(row["position"], row["item_id"]) for row in items] == [(0, "S-001"), (1, "S-006")]
    assert snapshot.items == 2


def test_refused_rows_are_kept_as_they_came(shop: Shop) -> None:
    take(shop, DIRTY)
    kept = shop.quarantine.dataset().to_table().sort_by("number").to_pylist()
    assert [present(json.loads(row["raw"])) for row in kept] == DIRTY[2:7]
    assert {row["reason"] for row in kept} == set(REASONS)
    assert {(row["line"], row["door"], Path(row["source"]).name) for row in kept} == {
        ("product_description", "catalogue", "dirty.jsonl")
    }


def test_the_same_source_is_quarantined_once(shop: Shop) -> None:
    take(shop, DIRTY)
    take(shop, DIRTY)
    assert (shop.quarantine.version(), shop.quarantine.dataset().count_rows()) == (1, 5)
    take(shop, [*DIRTY, item(7, category="misc")])
    assert (shop.quarantine.version(), shop.quarantine.dataset().count_rows()) == (2, 11)


def test_a_clean_source_makes_no_quarantine(shop: Shop) -> None:
    assert take(shop, [item(1)]).door.quarantined == 0
    assert not shop.quarantine.exists()


def test_a_line_that_is_not_json_is_a_refused_row(shop: Shop) -> None:
    source = shop.root / "torn.jsonl"
    source.write_text(json.dumps(item(1)) + '\n{"sku": "S-0', "utf-8")
    door = take_catalogue(str(source), shop.line, shop.catalogue_tables, shop.root / "catalogue.parquet").door
    assert (door.accepted, door.quarantined) == (1, 1)
    assert door.reasons == {"row: cannot be read": 1}


def test_a_source_without_a_good_row_is_refused_and_quarantined(shop: Shop) -> None:
    with pytest.raises(SourceInvalid, match=r"does not pass the catalogue contract .*Of 1 rows, 0 were accepted"):
        take(shop, [item(1, category="gift card")])
    assert shop.quarantine.dataset().count_rows() == 1
    assert not (shop.root / "catalogue.parquet").exists()


def test_a_source_with_other_columns_is_refused_at_once(shop: Shop) -> None:
    with pytest.raises(
        SourceInvalid, match=r"lacks the columns category, name, product_group, sku\. It has id, title\. Name the"
    ):
        take(shop, [{"id": "1", "title": "x"}])
    assert not shop.quarantine.exists()
