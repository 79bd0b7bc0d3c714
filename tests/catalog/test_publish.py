"""Exactly the audited bytes go on the shelf, in one commit, however often and by however many."""

import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shop import LINE, Made, Shop, flip, item, rows_of

from aigc_core.catalog.publish import Shelf, publish, published_schema
from aigc_core.errors import ConservationBroken, IntegrityBroken
from aigc_core.ids import canonical_json
from aigc_core.records import AuditReport, Batch, Edition
from aigc_core.storage.delta import Commit, Table
from aigc_core.storage.upsert import Change

pytest_plugins = ("shop_fixtures",)

PUBLISH = """
import sys
from pathlib import Path
from aigc_core.catalog.publish import Shelf, publish, published_schema
from aigc_core.contracts.recipe import Label
from aigc_core.records import AuditReport, Batch
from aigc_core.storage.delta import Table
from aigc_core.storage.progress import as_record
batch, report = (as_record(kind, Path(path).read_text()) for kind, path in zip((Batch, AuditReport), sys.argv[1:3]))
print("ready", flush=True)
sys.stdin.readline()
schema = published_schema("product_description", Label())
shelf = Shelf(table=Table(sys.argv[3]), schema=schema)
print(publish(batch, report, report.require_passed(), shelf).repeated)
"""


class Losing(Table):
    """A table that loses the first row of whatever is put in it."""

    def upsert_once(self, change: Change, *, key: str, note: object) -> Commit:
        """Lose a row."""
        kept = change.rows().read_all().slice(1)
        return super().upsert_once(replace(change, rows=lambda: kept), key=key, note={})


@pytest.fixture
def made(mixed: Made, tmp_path: Path) -> Made:
    """The mixed run with files of its own, that a test may change."""
    copies = tuple(tmp_path / Path(path).name for path in (*mixed.batch.paths, mixed.report.decisions))
    for copy, path in zip(copies, (*mixed.batch.paths, mixed.report.decisions), strict=True):
        copy.write_bytes(Path(path).read_bytes())
    batch = replace(mixed.batch, paths=tuple(map(str, copies[:-1])))
    return replace(mixed, batch=batch, report=replace(mixed.report, decisions=str(copies[-1])))


@pytest.fixture
def schema(shop: Shop) -> pa.Schema:
    """Of the published table."""
    return published_schema(LINE, shop.line.recipe.label)


def put(shop: Shop, batch: Batch, report: AuditReport) -> Edition:
    """Publish with the leave this report gives."""
    schema = published_schema(LINE, shop.line.recipe.label)
    return publish(batch, report, report.require_passed(), Shelf(table=shop.shelf, schema=schema))


def test_accepted_rows_are_on_the_shelf_and_no_others(made: Made, shop: Shop) -> None:
    edition = put(shop, made.batch, made.report)
    assert (edition.version, edition.published, edition.repeated) == (1, 14, False)
    decided = pq.read_table(made.report.decisions).to_pylist()
    accepted = sorted((row["item_id"], row["locale"]) for row in decided if row["state"] == "published")
    assert [(row["item_id"], row["locale"]) for row in rows_of(shop.shelf)] == accepted


def test_publishing_twice_is_one_commit(made: Made, shop: Shop) -> None:
    first, again = put(shop, made.batch, made.report), put(shop, made.batch, made.report)
    assert again == replace(first, repeated=True)
    assert shop.shelf.version() == 1


def test_a_batch_changed_after_the_audit_is_refused(made: Made, shop: Shop) -> None:
    flip(Path(made.batch.paths[0]))
    with pytest.raises(IntegrityBroken, match=r"files of run run-1 are not the ones the audit passed\. Only audited"):
        put(shop, made.batch, made.report)
    assert not shop.shelf.exists()


def test_decisions_changed_after_the_audit_are_refused(made: Made, shop: Shop) -> None:
    decisions = pq.read_table(made.report.decisions).to_pylist()
    better = [row | {"state": "published", "reason": ""} for row in decisions]
    pq.write_table(pa.Table.from_pylist(better, schema=pq.read_schema(made.report.decisions)), made.report.decisions)
    with pytest.raises(IntegrityBroken, match="are not the ones the audit passed"):
        put(shop, made.batch, made.report)
    assert not shop.shelf.exists()


@pytest.mark.parametrize("changed", [{"run_id": "run-2"}, {"content_hash": "0" * 64}, {"decisions_sha256": "0" * 64}])
def test_leave_for_another_batch_is_no_leave(
    made: Made, shop: Shop, schema: pa.Schema, changed: dict[str, str]
) -> None:
    passed = replace(made.report.require_passed(), **changed)
    with pytest.raises(IntegrityBroken, match="are not the ones the audit passed"):
        publish(made.batch, made.report, passed, Shelf(table=shop.shelf, schema=schema))
    assert not shop.shelf.exists()


@pytest.mark.parametrize(
    "states", [{"published": 13}, {"published": 15, "rejected": 2, "failed": 2, "duplicate": 2}, {}]
)
def test_a_batch_that_does_not_add_up_is_refused(made: Made, shop: Shop, states: dict[str, int]) -> None:
    with pytest.raises(ConservationBroken, match=r"22 requests, but 2 known before .* must end in exactly one state"):
        put(shop, made.batch, replace(made.report, states=states))
    assert not shop.shelf.exists()


def test_a_lost_request_is_found(made: Made, shop: Shop) -> None:
    lost = replace(made.batch.requests, requests=made.batch.requests.requests + 1)
    with pytest.raises(ConservationBroken, match="23 requests, but 2 known before and 20 decided"):
        put(shop, replace(made.batch, requests=lost), made.report)


def test_a_shelf_that_lost_a_row_is_found_on_reading_back(made: Made, shop: Shop, schema: pa.Schema) -> None:
    losing = Shelf(table=Losing(shop.shelf.uri), schema=schema)
    with pytest.raises(IntegrityBroken, match=r"does not hold what run run-1 committed\. Do not serve it"):
        publish(made.batch, made.report, made.report.require_passed(), losing)


def test_nothing_accepted_is_no_commit(shop: Shop) -> None:
    made = shop.made([item(1, material=None), item(2, material=None)])
    edition = put(shop, made.batch, made.report)
    assert (edition.version, edition.published) == (None, 0)
    assert not shop.shelf.exists()


def test_there_is_always_one_row_an_item_and_locale(made: Made, shop: Shop) -> None:
    put(shop, made.batch, made.report)
    second = shop.made([item(1, capacity_ml=999), item(30)], "run-2")
    assert put(shop, second.batch, second.report).version == 2
    rows = rows_of(shop.shelf)
    assert len({(row["item_id"], row["locale"]) for row in rows}) == len(rows) == 16
    assert {row["run_id"] for row in rows if row["item_id"] in ("S-001", "S-030")} == {"run-2"}
    assert "999" in next(row["text"] for row in rows if row["item_id"] == "S-001")


def test_a_changed_text_names_the_run_it_supersedes(made: Made, shop: Shop) -> None:
    put(shop, made.batch, made.report)
    second = shop.made([item(1, capacity_ml=999), item(30)], "run-2")
    put(shop, second.batch, second.report)
    assert {row["item_id"]: row["supersedes"] for row in rows_of(shop.shelf) if row["run_id"] == "run-2"} == {
        "S-001": "run-1",
        "S-030": None,
    }


def test_text_columns_carry_the_label_after_every_edition(made: Made, shop: Shop) -> None:
    put(shop, made.batch, made.report)
    second = shop.made([item(1, capacity_ml=999)], "run-2")
    put(shop, second.batch, second.report)
    for column in ("text", "text_labelled"):
        label = json.loads(shop.shelf.dataset().schema.field(column).metadata[b"AIGC"])
        assert (label["Label"], label["ContentProducer"]) == ("1", shop.line.recipe.label.producer)


def test_every_published_row_is_labelled(made: Made, shop: Shop) -> None:
    put(shop, made.batch, made.report)
    for row in rows_of(shop.shelf):
        assert row["text_labelled"].startswith(row["text"])
        assert row["explicit_label"] in row["text_labelled"]
        assert (row["aigc_label"], row["aigc_produce_id"]) == ("1", row["aigc_propagate_id"])


def test_the_commit_notes_its_run(made: Made, shop: Shop) -> None:
    put(shop, made.batch, made.report)
    note = shop.shelf.metadata_of_last_commit()
    assert (note["run_id"], note["content_hash"], note["published"]) == ("run-1", made.batch.content_hash, "14")


@pytest.fixture
def publishers(made: Made, shop: Shop) -> Iterator[list["subprocess.Popen[str]"]]:
    """Two processes about to publish the same run."""
    paths = [shop.root / "batch.json", shop.root / "report.json"]
    for path, record in zip(paths, (made.batch, made.report), strict=True):
        path.write_text(canonical_json(record), "utf-8")
    command = [sys.executable, "-c", PUBLISH, *map(str, paths), shop.shelf.uri]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for one in started:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    yield started
    for one in started:
        one.kill()


def test_two_processes_at_once_make_one_edition(publishers: list["subprocess.Popen[str]"], shop: Shop) -> None:
    for one in publishers:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    answers = sorted(one.communicate()[0].strip() for one in publishers)
    assert answers == ["False", "True"]
    assert (shop.shelf.version(), len(rows_of(shop.shelf))) == (1, 14)


def test_an_edition_crosses_a_process_border(made: Made, shop: Shop) -> None:
    edition = put(shop, made.batch, made.report)
    assert pickle.loads(pickle.dumps(edition)) == edition  # noqa: S301 -- our own bytes
