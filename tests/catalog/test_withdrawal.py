"""Texts whose item left the catalogue: kept, or withdrawn with the next edition."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from shop import Shop, item, rows_of, walk, write_line

from aigc_core.errors import CatalogueShrunk
from aigc_core.night import pin
from aigc_core.records import RunSummary
from flows.console.tables import show_summary

pytest_plugins = ("shop_fixtures",)

ITEMS = [item(number) for number in range(12)]


def night(shop: Shop, count: int, date: str, **changes: object) -> RunSummary:
    """A night over the first items."""
    write_line(shop.root / "lines", **changes)
    return walk(pin.start(shop.order(ITEMS[:count], date=date)))


def on_shelf(shop: Shop) -> set[str]:
    """Items with a published text."""
    return {row["item_id"] for row in rows_of(shop.shelf, "item_id")}


def test_texts_stay_when_their_items_go(open_shop: Shop) -> None:
    night(open_shop, 12, "2026-01-01")
    summary = night(open_shop, 9, "2026-01-02")
    assert (summary.withdrawn, len(on_shelf(open_shop))) == (0, 12)


def test_texts_are_withdrawn_with_their_items(open_shop: Shop) -> None:
    night(open_shop, 12, "2026-01-01", on_missing="withdraw")
    summary = night(open_shop, 9, "2026-01-02", on_missing="withdraw")
    assert (summary.withdrawn, summary.states["unchanged"], summary.edition is not None) == (6, 18, True)
    assert on_shelf(open_shop) == {str(row["sku"]) for row in ITEMS[:9]}


def test_a_limited_night_withdraws_nothing_that_is_there(open_shop: Shop) -> None:
    night(open_shop, 12, "2026-01-01", on_missing="withdraw")
    summary = walk(pin.start(open_shop.order(ITEMS, date="2026-01-02", limit=2)))
    assert (summary.withdrawn, len(on_shelf(open_shop))) == (0, 12)


def test_a_withdrawal_is_one_commit_and_done_once(open_shop: Shop) -> None:
    night(open_shop, 12, "2026-01-01", on_missing="withdraw")
    before = open_shop.shelf.version()
    order = open_shop.order([*ITEMS[:9], item(20)], date="2026-01-02")
    first = pin.start(order)
    summary = walk(first)
    again = walk(first)
    assert before is not None
    assert (open_shop.shelf.version(), summary.withdrawn, again.withdrawn) == (before + 1, 6, 6)


def test_an_older_edition_still_holds_what_was_withdrawn(open_shop: Shop) -> None:
    night(open_shop, 12, "2026-01-01", on_missing="withdraw")
    version = open_shop.shelf.version()
    night(open_shop, 9, "2026-01-02", on_missing="withdraw")
    assert open_shop.shelf.dataset(version).count_rows() == 24


def test_an_item_whose_row_is_quarantined_is_still_there(open_shop: Shop) -> None:
    night(open_shop, 12, "2026-01-01", on_missing="withdraw")
    dented = [item(1, capacity_ml="much"), *ITEMS[2:]]
    summary = walk(pin.start(open_shop.order(dented, date="2026-01-02")))
    assert summary.withdrawn == 2
    assert on_shelf(open_shop) == {str(row["sku"]) for row in ITEMS[1:]}


def test_a_row_that_cannot_be_read_may_be_any_items(open_shop: Shop) -> None:
    night(open_shop, 12, "2026-01-01", on_missing="withdraw")
    order = open_shop.order(ITEMS[1:], date="2026-01-02")
    with Path(str(order.source)).open("a", encoding="utf-8") as file:
        file.write('{"sku": "S-0\n')
    summary = walk(pin.start(order))
    assert (summary.withdrawn, len(on_shelf(open_shop))) == (0, 12)
    assert "no text is withdrawn this time" in summary.doors[0].warnings[0]
    assert "no text is withdrawn this time" in Path(summary.report).read_text("utf-8")


def test_every_end_of_a_row_is_told(open_shop: Shop) -> None:
    summary = night(open_shop, 3, "2026-01-01")
    door = replace(summary.doors[0], rows=10, accepted=3, unlabelled=4, withheld=3)
    console = Console(record=True, width=160)
    show_summary(console, replace(summary, doors=(door,)))
    assert "3 accepted, 0 quarantined, 0 repeated, 4 unlabelled, 3 withheld" in console.export_text()


def test_withdrawals_are_told(open_shop: Shop) -> None:
    night(open_shop, 12, "2026-01-01", on_missing="withdraw")
    summary = night(open_shop, 9, "2026-01-02", on_missing="withdraw")
    console = Console(record=True, width=160)
    show_summary(console, summary)
    assert re.search(r"withdrawn\s+6", console.export_text())
    assert "6 texts whose items left the catalogue" in Path(summary.report).read_text("utf-8")


def test_a_large_drop_blocks_the_night_until_confirmed(open_shop: Shop) -> None:
    night(open_shop, 12, "2026-01-01", on_missing="withdraw")
    with pytest.raises(CatalogueShrunk, match="lacks 6 of the 12"):
        walk(pin.start(open_shop.order(ITEMS[:6], date="2026-01-02", confirm_drop=False)))
    assert len(on_shelf(open_shop)) == 12
    summary = walk(pin.start(open_shop.order(ITEMS[:6], date="2026-01-02", confirm_drop=True)))
    assert (summary.withdrawn, summary.pinned["catalogue"]) == (12, 2)
