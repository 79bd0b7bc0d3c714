"""A night killed anywhere goes on where it stopped: only what is missing or broken is made again."""

import os

import pytest
from shop import MIXED, Shop, flip, generated, rows_of, walk

from aigc_core.night import close, intake, pin, steps
from aigc_core.records import Night, RunSummary
from aigc_core.storage.delta import Table
from aigc_core.storage.progress import RunFolder
from aigc_core.workspace import open_workspace

pytest_plugins = ("shop_fixtures",)

Row = dict[str, object]
FACTS_OF_MAKING = {"generated_at", "run_id", "run_key", "aigc_produce_id", "aigc_propagate_id"}


def begin(shop: Shop) -> tuple[Night, RunFolder]:
    """The night over items of every kind, pinned; the same one when it was begun before."""
    night = pin.start(shop.order(MIXED))
    return night, shop.folder(night.run_id)


def content(shop: Shop) -> list[Row]:
    """The shelf without the facts of the making."""
    return [{k: v for k, v in row.items() if k not in FACTS_OF_MAKING} for row in rows_of(shop.shelf)]


def written(folder: RunFolder, where: str = "parts") -> dict[str, int]:
    """File -> when it was written, in nanoseconds."""
    return {path.name: path.stat().st_mtime_ns for path in folder.file(where).glob("*.parquet")}


@pytest.fixture
def undisturbed(finished: tuple[Shop, RunSummary]) -> list[Row]:
    """What an undisturbed night publishes."""
    return content(finished[0])


def test_only_harmed_parts_are_made_again(open_shop: Shop, undisturbed: list[Row]) -> None:
    night, folder = begin(open_shop)
    generated(night)
    before = written(folder)
    gone, changed, torn = sorted(folder.file("parts").glob("a1-*.parquet"))[:3]
    gone.unlink()
    flip(changed)
    os.truncate(torn, torn.stat().st_size // 2)
    folder.file("batch.json").unlink()
    walk(begin(open_shop)[0])
    after = written(folder)
    assert {name for name in after if after[name] != before[name]} == {gone.name, changed.name, torn.name}
    assert content(open_shop) == undisturbed


def test_a_finished_part_is_never_written_again(open_shop: Shop, undisturbed: list[Row]) -> None:
    night, folder = begin(open_shop)
    model = steps.obtain_model(night, None)
    requests = steps.plan(night, intake.take_catalogue(night), model)
    first, *_ = steps.next_shards(night, requests, (), ())
    steps.write_texts(night, model, first)
    before = written(folder)
    walk(begin(open_shop)[0])
    assert written(folder).items() > before.items()
    assert content(open_shop) == undisturbed


def test_steps_without_their_record_are_made_again_alike(open_shop: Shop) -> None:
    night, folder = begin(open_shop)
    batch = generated(night)[1]
    report = steps.judge_batch(night, batch)
    for step in ("catalogue", "requests", "batch", "audit/report"):
        folder.file(f"{step}.json").unlink()
        again = generated(night)[1]
        assert again.requests.fingerprint == batch.requests.fingerprint
        assert again.content_hash == batch.content_hash
        assert steps.judge_batch(night, again) == report


def test_bytes_changed_after_a_step_are_made_again_before_publishing(open_shop: Shop, undisturbed: list[Row]) -> None:
    night, folder = begin(open_shop)
    steps.judge_batch(night, generated(night)[1])
    for step in ("batch", "audit"):
        flip(sorted(folder.file(step).glob("*.parquet"))[0])
    walk(begin(open_shop)[0])
    assert content(open_shop) == undisturbed


def test_a_crash_between_commit_and_record_publishes_once(open_shop: Shop, undisturbed: list[Row]) -> None:
    night, folder = begin(open_shop)
    _, batch = generated(night)
    report = steps.judge_batch(night, batch)
    first = steps.put_on_shelf(night, batch, report)
    folder.file("edition.json").unlink()
    again = steps.put_on_shelf(night, batch, report)
    assert first is not None
    assert again is not None
    assert (again.version, again.published, again.repeated) == (first.version, first.published, True)
    walk(begin(open_shop)[0])
    assert (open_shop.shelf.version(), content(open_shop)) == (1, undisturbed)


def test_a_crash_while_closing_closes_once(open_shop: Shop) -> None:
    night, folder = begin(open_shop)
    summary = walk(night)
    for step in ("outcomes", "summary", "edition"):
        folder.file("manifest.json").unlink()
        folder.file(f"{step}.json").unlink()
        again = walk(begin(open_shop)[0])
        assert (again.run_id, again.states, again.edition) == (summary.run_id, summary.states, 1)
    assert (open_shop.shelf.version(), open_shop.rejects.dataset().count_rows()) == (1, 6)
    assert index(open_shop).dataset().count_rows() == 1


def index(shop: Shop) -> Table:
    """The runs there were."""
    return open_workspace(str(shop.root / "lake")).run_index()


def test_finishing_twice_is_finishing_once(open_shop: Shop) -> None:
    night, folder = begin(open_shop)
    model, batch = generated(night)
    report = steps.judge_batch(night, batch)
    edition = steps.put_on_shelf(night, batch, report)
    first = close.finish(night, model, batch, report, edition)
    manifest = folder.file("manifest.json").read_bytes()
    assert close.finish(night, model, batch, report, edition) == first
    assert folder.file("manifest.json").read_bytes() == manifest
    assert index(open_shop).dataset().count_rows() == 1
