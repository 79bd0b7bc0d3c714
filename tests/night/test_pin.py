"""A night is checked and pinned before anything is made."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from shop import LINE, Shop, item, walk, write_line, write_rows

from aigc_core.errors import (
    AigcError,
    LakeUnusable,
    ModelInvalid,
    RecipeInvalid,
    RunBusy,
    SourceInvalid,
    UnknownLine,
    UserError,
)
from aigc_core.night import intake, pin
from aigc_core.records import Night, Order
from aigc_core.workspace import open_workspace

pytest_plugins = ("shop_fixtures",)

START_AND_WAIT = """
import sys
from aigc_core.night import pin
from aigc_core.records import Order
night = pin.start(Order(line=sys.argv[1], lake=sys.argv[2], source=sys.argv[3], date="2026-01-01"))
print(night.run_id, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def night(open_shop: Shop) -> Night:
    """A pinned night over one item."""
    return pin.start(open_shop.order([item(1)]))


def test_a_pinned_night_says_all_it_works_with(open_shop: Shop, night: Night) -> None:
    assert night.run_id.startswith(f"{LINE}-2026-01-01-")
    assert (night.engine, night.attempts, night.limit, night.corpus) == ("template", 3, None, None)
    assert open_shop.folder(night.run_id).recall("run", Night) == night


def test_the_same_order_is_the_same_night(open_shop: Shop, night: Night) -> None:
    assert pin.start(open_shop.order([item(1)])) == night
    renamed = write_rows(open_shop.root / "renamed.jsonl", [item(1)])
    again = pin.start(replace(open_shop.order([item(1)]), source=renamed))
    assert again == replace(night, source=renamed)
    assert open_shop.folder(night.run_id).recall("run", Night) == night


@pytest.fixture
def yesterday(open_shop: Shop) -> Night:
    """A night of a command without a date, as it lies in a lake the day after it was begun."""
    begun = pin.start(undated(open_shop))
    open_shop.folder(begun.run_id).unlock()
    day = (date.fromisoformat(begun.date) - timedelta(days=1)).isoformat()
    moved = replace(begun, date=day, run_id=begun.run_id.replace(begun.date, day))
    open_shop.folder(begun.run_id).path.rename(open_shop.folder(moved.run_id).path)
    open_shop.folder(moved.run_id).note("run", moved, (), seconds=0.0)
    return moved


def undated(shop: Shop) -> Order:
    """A command that names no date."""
    return replace(shop.order([item(1)]), date=None)


def test_a_night_begun_yesterday_is_finished_by_the_same_command(open_shop: Shop, yesterday: Night) -> None:
    found = pin.start(undated(open_shop))
    assert found == yesterday
    assert (walk(found).date, len(open_workspace(found.lake).runs())) == (yesterday.date, 1)
    today = pin.start(undated(open_shop))
    assert today.date > yesterday.date
    assert today.run_id != yesterday.run_id


def test_a_named_date_is_never_another_days_night(open_shop: Shop, yesterday: Night) -> None:
    for day in (yesterday.date, "2026-01-01"):
        named = pin.start(replace(undated(open_shop), date=day))
        assert (named.date, named.run_id == yesterday.run_id) == (day, False)


def test_a_catalogue_changed_under_way_stops_the_night(open_shop: Shop, night: Night) -> None:
    changed = open_shop.order([item(1), item(2)])
    with pytest.raises(SourceInvalid, match=rf"jsonl changed while run {night.run_id} was under way.*begins a new run"):
        intake.take_catalogue(night)
    assert not open_shop.folder(night.run_id).file("catalogue.json").exists()
    again = pin.start(changed)
    assert again.run_id != night.run_id
    assert intake.take_catalogue(again).items == 2


def test_another_order_is_another_night(open_shop: Shop, night: Night) -> None:
    orders = [
        open_shop.order([item(1)], date="2026-01-02"),
        open_shop.order([item(1)], limit=1),
        open_shop.order([item(1)], retry_rejected=True),
    ]
    nights = [pin.start(order) for order in orders]
    nights.append(pin.start(open_shop.order([item(2)])))
    assert len({night.run_id, *(one.run_id for one in nights)}) == 5


def test_leftovers_of_a_killed_process_are_swept(open_shop: Shop, night: Night) -> None:
    leftover = open_shop.folder(night.run_id).file("parts", ".aside-1-a.parquet")
    leftover.parent.mkdir()
    leftover.write_text("half")
    os.utime(leftover, (0, 0))
    pin.start(open_shop.order([item(1)]))
    assert not leftover.exists()


def test_a_night_of_another_process_is_busy(open_shop: Shop) -> None:
    order = open_shop.order([item(1)])
    command = [sys.executable, "-c", START_AND_WAIT, LINE, str(order.lake), str(order.source)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        run_id = process.stdout.readline().strip()
        with pytest.raises(RunBusy, match=rf"Run {run_id} is being worked on by process {process.pid}"):
            pin.start(order)
        process.communicate("")


def test_a_recipe_changed_under_way_stops_the_night(open_shop: Shop, night: Night) -> None:
    write_line(open_shop.root / "lines", title="Another title")
    with pytest.raises(RecipeInvalid, match=rf"changed while run {night.run_id} was under way.*begins a new run"):
        intake.take_catalogue(night)
    write_line(open_shop.root / "lines")
    assert intake.take_catalogue(night).items == 1


@pytest.mark.parametrize(
    ("changes", "kind", "complaint"),
    [
        ({"line": "nothing"}, UnknownLine, r"There is no content line 'nothing' .*There are: product_description\."),
        ({"date": "soon"}, UserError, r"'soon' is not a date\. A date is written YYYY-MM-DD\."),
        ({"source": None}, SourceInvalid, r"has no catalogue of its own\. Name one with --source"),
        ({"source": "/nowhere.csv"}, SourceInvalid, r"/nowhere\.csv"),
        ({"engine": "hf"}, SourceInvalid, r"no trained model yet and no corpus .* Name training pairs with --corpus"),
        ({"model": "anything"}, ModelInvalid, r"The template engine takes no model\."),
        (
            {"source": "s3://user:hush@shop/items.csv"},
            SourceInvalid,
            r"The address s3://shop/items\.csv carries a key and a secret",
        ),
    ],
)
def test_an_order_that_cannot_be_carried_out_writes_nothing(
    open_shop: Shop, changes: dict[str, str | None], kind: type[AigcError], complaint: str
) -> None:
    named = {"line": LINE, "source": write_rows(open_shop.root / "c.jsonl", [item(1)])} | changes
    with pytest.raises(kind, match=complaint):
        pin.start(Order(lake=str(open_shop.root / "lake"), **named))  # type: ignore[arg-type]
    assert not (open_shop.root / "lake").exists()


def test_a_source_that_does_not_fit_writes_nothing(open_shop: Shop) -> None:
    with pytest.raises(SourceInvalid, match="lacks the columns category, name, product_group, sku"):
        pin.start(open_shop.order([{"id": 1}]))
    assert not (open_shop.root / "lake").exists()


def test_a_corpus_that_does_not_fit_writes_nothing(open_shop: Shop) -> None:
    corpus = write_rows(open_shop.root / "corpus.jsonl", [item(1)])
    order = replace(open_shop.order([item(1)], corpus=corpus), engine="hf")
    with pytest.raises(SourceInvalid, match="lacks the columns text_en, text_zh"):
        pin.start(order)
    assert not (open_shop.root / "lake").exists()


def test_a_file_in_place_of_the_lake_is_told(open_shop: Shop) -> None:
    (open_shop.root / "lake").write_text("not a folder")
    with pytest.raises(LakeUnusable, match=r"The lake cannot be used at .*/lake: .*name another with --lake"):
        pin.start(open_shop.order([item(1)]))


def test_an_address_is_no_lake(open_shop: Shop) -> None:
    with pytest.raises(LakeUnusable, match=r"is an address\. This version writes to a folder on local disk"):
        pin.start(replace(open_shop.order([item(1)]), lake="s3://bucket/lake"))
    assert not Path("s3:").exists()


def test_an_unused_lake_has_no_runs(open_shop: Shop) -> None:
    assert open_workspace(str(open_shop.root / "lake")).runs() == ()
