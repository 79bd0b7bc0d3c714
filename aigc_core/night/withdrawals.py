"""What leaves the shelf with an edition, and what is remembered of texts that were judged again."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from aigc_core.catalog.outcomes import REJECTS
from aigc_core.contracts.check import UNREADABLE
from aigc_core.contracts.content_line import ContentLine
from aigc_core.generation.again import REJUDGED
from aigc_core.generation.requests import Making
from aigc_core.records import AuditReport, CatalogueSnapshot, Night, RequestSet
from aigc_core.storage.delta import Table
from aigc_core.storage.files import read_batches
from aigc_core.storage.progress import RunFolder
from aigc_core.storage.shift import failing_without_successor, gone_from, refused_at_planning, standing_on
from aigc_core.workspace import Workspace

REJUDGED_FILE = "rejudged.parquet"
_KEYS = pa.schema([("item_id", pa.string()), ("locale", pa.string())])
Leaving = Callable[[], pa.Table]


def leaving(night: Night, report: AuditReport, line: ContentLine, workspace: Workspace) -> Leaving | None:
    """Finds what leaves the shelf; None where nothing does.

    Texts of items that left the catalogue, where the recipe says so; texts that fail rules made later and got no
    successor tonight, whatever held that back; texts of items under takedown.
    """
    folder = workspace.run(night.run_id)
    table, gone = workspace.published(line.name), _gone(night, line, workspace, folder)
    failing = failing_without_successor(
        folder.file("requests.parquet"), Path(report.decisions), _rejudged(folder), folder.file("scratch")
    )
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
    schema = pa.schema([field for field in REJUDGED if field.name not in ("position", "side", "text")])
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
    requests, rejudged = folder.recall("requests", RequestSet), _rejudged(folder)
    if requests is None or rejudged is None or not requests.states.get("rejected"):
        return
    when = pa.scalar(night.started_at).cast(pa.timestamp("us", "UTC"))
    told = {"run_id": night.run_id, "findings": "[]", **making.columns}
    constant = {name: pa.scalar(value, pa.string()) for name, value in told.items()} | {"decided_at": when}
    table = workspace.rejects(night.line)
    table.create(REJECTS, stats=("item_id", "locale", "run_id"))

    def rows() -> Iterator[pa.RecordBatch]:
        for batch in refused_at_planning(Path(requests.path), rejudged, folder.file("scratch")):
            columns = [
                batch.column(name) if name in batch.schema.names else pa.repeat(constant[name], batch.num_rows)
                for name in REJECTS.names
            ]
            yield from pa.table(columns, names=REJECTS.names).cast(REJECTS).to_batches()

    table.append_once(
        lambda: pa.RecordBatchReader.from_batches(REJECTS, rows()),
        key=f"withdrawn:{night.run_id}",
        note={"run_id": night.run_id},
    )


def _rejudged(folder: RunFolder) -> Path | None:
    path = folder.file(REJUDGED_FILE)
    return path if path.exists() else None


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
