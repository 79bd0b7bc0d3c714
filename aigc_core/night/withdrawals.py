"""What leaves the shelf with an edition, and what is remembered of texts that were judged again."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from aigc_core.catalog.outcomes import REJECTS
from aigc_core.contracts.check import UNREADABLE
from aigc_core.contracts.content_line import ContentLine
from aigc_core.generation.again import REJUDGED
from aigc_core.generation.deciding import FAILED_RULES
from aigc_core.generation.requests import Making
from aigc_core.records import AuditReport, CatalogueSnapshot, Night
from aigc_core.storage.delta import Table
from aigc_core.storage.files import read_batches
from aigc_core.storage.progress import RunFolder
from aigc_core.storage.shift import gone_from, standing_on
from aigc_core.workspace import Workspace

REJUDGED_FILE = "rejudged.parquet"
_KEYS = pa.schema([("item_id", pa.string()), ("locale", pa.string())])
Leaving = Callable[[], pa.Table]


def leaving(night: Night, report: AuditReport, line: ContentLine, workspace: Workspace) -> Leaving | None:
    """Finds what leaves the shelf; None where nothing does.

    Texts of items that left the catalogue, where the recipe says so; texts that fail rules made later and got no
    successor tonight; texts of items under takedown.
    """
    folder = workspace.run(night.run_id)
    table, gone = workspace.published(line.name), _gone(night, line, workspace, folder)
    failing = _failing(report, folder)
    if not failing.num_rows:
        return gone
    fall = _standing(table, failing, folder)
    return fall if gone is None else lambda: pa.concat_tables([gone(), fall()]).group_by(_KEYS.names).aggregate([])


def remember(night: Night, workspace: Workspace) -> None:
    """Keep what later rules said of earlier texts, so that it is asked once; once a run."""
    folder = workspace.run(night.run_id)
    path = folder.file(REJUDGED_FILE)
    if not path.exists():
        return
    table = workspace.rejudged(night.line)
    schema = pa.schema([field for field in REJUDGED if field.name not in ("position", "text")])
    table.create(schema, stats=("item_id", "locale", "check_config_digest"))
    rows = (pa.Table.from_batches([batch]).select(schema.names).cast(schema) for batch in read_batches(path))
    table.append_once(
        lambda: pa.RecordBatchReader.from_batches(schema, (batch for one in rows for batch in one.to_batches())),
        key=f"rejudged:{night.run_id}",
        note={"run_id": night.run_id},
    )


def keep_withdrawn(night: Night, making: Making, workspace: Workspace) -> None:
    """Keep the texts that left for failing later rules among the refused ones, once a run: they are not new again."""
    folder = workspace.run(night.run_id)
    rows = list(_withdrawn(folder))
    if not rows:
        return
    when = pa.scalar(night.started_at).cast(pa.timestamp("us", "UTC")).as_py()
    told = {
        "run_id": night.run_id,
        "decided_at": when,
        "findings": "[]",
        **making.columns,
    }
    table = workspace.rejects(night.line)
    table.create(REJECTS, stats=("item_id", "locale", "run_id"))
    kept = pa.Table.from_pylist([row | told for row in rows], schema=REJECTS)
    table.append_once(lambda: kept, key=f"withdrawn:{night.run_id}", note={"run_id": night.run_id})


def _withdrawn(folder: RunFolder) -> Iterator[dict[str, str | None]]:
    """Requests that ended at planning because the text on the shelf fails the new rules, with that text."""
    path = folder.file(REJUDGED_FILE)
    if not path.exists():
        return
    texts = {
        (row["item_id"], row["locale"]): row["text"]
        for batch in read_batches(path, ["item_id", "locale", "text"])
        for row in batch.to_pylist()
        if row["text"] is not None
    }
    columns = ["item_id", "locale", "request_key", "state", "reason", "attributes_digest", "prompt_digest"]
    for batch in read_batches(folder.file("requests.parquet"), columns, rows=20_000):
        ended = pc.is_in(batch.column("state"), value_set=pa.array(["rejected"]))
        for row in batch.filter(ended).to_pylist():
            yield row | {"text": texts[row["item_id"], row["locale"]]}


def _standing(table: Table, keys: pa.Table, folder: RunFolder) -> Leaving:
    return lambda: standing_on(table, keys, folder.file("scratch"))


def _gone(night: Night, line: ContentLine, workspace: Workspace, folder: RunFolder) -> Leaving | None:
    """Items that left the catalogue. One whose row was quarantined is still there; a row that could not be read may be
    any item's: then all stay.
    """
    snapshot = folder.recall("catalogue", CatalogueSnapshot)
    if line.recipe.on_missing != "withdraw" or snapshot is None or UNREADABLE in snapshot.door.reasons:
        return None
    table, held = workspace.published(line.name), _held_ids(workspace.quarantine(line.name), snapshot)
    path = Path(snapshot.path)
    return lambda: gone_from(table, path, held, folder.file("scratch"))


def _held_ids(quarantine: Table, snapshot: CatalogueSnapshot) -> pa.Table:
    if not snapshot.door.quarantined:
        return pa.table({"item_id": pa.array([], pa.string())})
    mine = (pc.field("door") == "catalogue") & (pc.field("ingested") == snapshot.ingested)
    return quarantine.dataset().to_table(columns=["item_id"], filter=mine & pc.field("item_id").is_valid())


def _failing(report: AuditReport, folder: RunFolder) -> pa.Table:
    """(item_id, locale) of what may not stay as it is and has no new text."""
    rows = list(_unfit(folder.file("requests.parquet")))
    asked = pa.array([row["request_key"] for row in rows if row["state"] is None], pa.string())
    renewed = set(_published(report, asked)) if len(asked) else set()
    kept = [{name: row[name] for name in _KEYS.names} for row in rows if row["request_key"] not in renewed]
    return pa.Table.from_pylist(kept, schema=_KEYS)


def _unfit(requests: Path) -> Iterator[dict[str, str | None]]:
    columns = ["item_id", "locale", "request_key", "reason", "state"]
    for batch in read_batches(requests, columns, rows=20_000):
        failed = pc.starts_with(batch.column("reason"), FAILED_RULES)
        withheld = pc.is_in(batch.column("state"), value_set=pa.array(["withheld"]))
        yield from batch.filter(pc.or_(failed, withheld)).to_pylist()


def _published(report: AuditReport, keys: pa.Array) -> Iterator[str]:
    for batch in read_batches(report.decisions, ["request_key", "state"]):
        mine = pc.and_(pc.is_in(batch.column("request_key"), keys), pc.equal(batch.column("state"), "published"))
        yield from batch.filter(mine).column("request_key").to_pylist()
