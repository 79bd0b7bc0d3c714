"""Publishing: exactly the audited bytes, one commit an edition, found again when it was already done."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from aigc_core.checks.labels import field_metadata
from aigc_core.contracts.recipe import Label
from aigc_core.errors import ConservationBroken, IntegrityBroken
from aigc_core.events import Progress, report_progress
from aigc_core.ids import fingerprint
from aigc_core.records import AuditReport, Batch, Edition, PassedAudit
from aigc_core.storage.delta import Table
from aigc_core.storage.files import read_row_groups, read_table, sha256_of
from aigc_core.storage.upsert import Change

KEY = ("item_id", "locale")
_TEXTS = ("text", "text_labelled")
_COMPARED = (*KEY, *_TEXTS, "aigc_label", "aigc_produce_id")
_OPTIONAL = {
    "seller_id",
    "category",
    "variant_group",
    "watermark",
    "reviewer",
    "supersedes",
    "aigc_reserved1",
    # Rows of a shelf made before these columns have none.
    *("template_digest", "examples_digest", "engine", "dtype", "sampling_digest"),
}
_STRINGS = (
    *KEY,
    *("seller_id", "category", "variant_group"),
    *_TEXTS,
    *(
        "explicit_label",
        "aigc_label",
        "aigc_producer",
        "aigc_produce_id",
        "aigc_propagator",
        "aigc_propagate_id",
    ),
    *("aigc_reserved1", "digital_source_type", "model_id", "model_digest", "prompt_digest", "decode_digest"),
    *("run_id", "run_key", "watermark", "reviewer", "check_config_digest", "content_sha256"),
    *("supersedes", "request_key", "attributes_digest", "signature"),
    *("template_digest", "examples_digest", "engine", "dtype", "sampling_digest"),
)


def published_schema(line: str, label: Label) -> pa.Schema:
    """The published table: texts, labels, origin; text columns carry the AI label as field metadata."""
    strings = [
        pa.field(
            name,
            pa.string(),
            nullable=name in _OPTIONAL,
            metadata=field_metadata(label, line=line, column=name) if name in _TEXTS else None,
        )
        for name in _STRINGS
    ]
    return pa.schema(
        [
            *strings,
            pa.field("generated_at", pa.timestamp("us", "UTC"), nullable=False),
            pa.field("human_edited", pa.bool_(), nullable=False),
            pa.field("check_flags", pa.list_(pa.string()), nullable=False),
        ]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Where texts are published, and what leaves with the next edition."""

    table: Table
    schema: pa.Schema
    """As `published_schema` makes it."""
    leaving: Callable[[], pa.Table] | None = None
    """Finds (item_id, locale) of texts that are withdrawn because their item left the catalogue; None keeps all."""


def publish(batch: Batch, report: AuditReport, passed: PassedAudit, shelf: Shelf) -> Edition:
    """Put the accepted rows on the shelf, withdraw those that leave, in one commit, and read back.

    Idempotent by run: a second call finds the first one's commit. Nothing is committed when nothing changes.

    Raises:
        IntegrityBroken: bytes differ from what the audit saw, or the shelf from what was committed.
        ConservationBroken: a request has no decision or more than one.
    """
    _require_audited(batch, report, passed)
    _require_conserved(batch, report)
    table, schema, count = shelf.table, shelf.schema, report.states.get("published", 0)
    report_progress(Progress(stage="publish", done=0, total=count))
    gone = shelf.leaving() if shelf.leaving is not None and table.exists() else None
    noted = table.note_of(batch.run_id) if table.exists() else None
    # A try that was cut off after its commit has withdrawn already: the shelf no longer tells how many.
    withdrawn = int(str(noted["withdrawn"])) if noted and "withdrawn" in noted else (gone.num_rows if gone else 0)
    if not count and not withdrawn:
        return Edition(run_id=batch.run_id, table=table.uri, version=None, published=0)
    table.create(schema, stats=(*KEY, "run_id"))
    told = {"content_hash": batch.content_hash, "published": str(count), "withdrawn": str(withdrawn)}
    commit = table.upsert_once(
        Change(
            rows=lambda: pa.RecordBatchReader.from_batches(schema, _accepted(batch, report, schema)),
            on=KEY,
            gone=gone,
        ),
        key=batch.run_id,
        note={"run_id": batch.run_id, **told},
    )
    report_progress(Progress(stage="publish", done=count, total=count))
    if not commit.repeated:
        _read_back(table, commit.version, batch, report, schema)
        _require_gone(shelf, commit.version)
    return Edition(
        run_id=batch.run_id,
        table=table.uri,
        version=commit.version,
        published=count,
        repeated=commit.repeated,
        withdrawn=withdrawn,
    )


def _require_audited(batch: Batch, report: AuditReport, passed: PassedAudit) -> None:
    on_disk = fingerprint([sha256_of(path) for path in batch.paths], length=64)
    same = (
        passed.run_id == batch.run_id == report.run_id,
        passed.content_hash == batch.content_hash == on_disk,
        passed.decisions_sha256 == sha256_of(report.decisions),
    )
    if not all(same):
        raise IntegrityBroken(
            f"The files of run {batch.run_id} are not the ones the audit passed.",
            "Only audited bytes are published.",
            "Run the same command again: what differs is made and audited anew.",
        )


def _require_conserved(batch: Batch, report: AuditReport) -> None:
    requests = batch.requests
    decided, known = sum(report.states.values()), sum(requests.states.values())
    if not (batch.rows == decided == requests.to_generate and known + decided == requests.requests):
        raise ConservationBroken(
            f"Run {batch.run_id}: {requests.requests} requests, but {known} known before and {decided} decided now "
            f"for {batch.rows} texts.",
            "Every request must end in exactly one state.",
        )


def _accepted(batch: Batch, report: AuditReport, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for path, decided in zip(batch.paths, read_row_groups(report.decisions, ["state"]), strict=True):
        table = read_table(path, schema.names)
        chosen = (
            table.filter(pc.equal(decided["state"], "published")).select(schema.names).cast(schema).combine_chunks()
        )
        yield from chosen.to_batches()


def _read_back(table: Table, version: int, batch: Batch, report: AuditReport, schema: pa.Schema) -> None:
    """Compare what a reader of that version sees with what was sent: texts by their own hash, labels by column."""
    if _content(_on_shelf(table, version, batch.run_id)) != _content(_accepted(batch, report, schema)):
        raise IntegrityBroken(
            f"Version {version} of {table.uri} does not hold what run {batch.run_id} committed.",
            remedy="Do not serve it: restore the version before.",
        )


def _require_gone(shelf: Shelf, version: int) -> None:
    if shelf.leaving is not None and shelf.leaving().num_rows:
        raise IntegrityBroken(
            f"Version {version} of {shelf.table.uri} still holds texts that were withdrawn.",
            remedy="Do not serve it: restore the version before.",
        )


def _on_shelf(table: Table, version: int, run_id: str) -> Iterator[pa.RecordBatch]:
    """The run's rows in that version. Cast before they are filtered: Arrow cannot filter what a merge writes."""
    for rows in table.stream([*_COMPARED, "run_id"], version=version):
        plain = rows.cast(pa.schema([(name, pa.string()) for name in rows.schema.names]))
        yield plain.filter(pc.equal(plain.column("run_id"), run_id))


def _content(batches: Iterator[pa.RecordBatch]) -> tuple[int, int]:
    """(rows, order-free digest) over ids, texts and labels."""
    rows, total = 0, 0
    for batch in batches:
        columns = [batch.column(name).to_pylist() for name in _COMPARED]
        for row in zip(*columns, strict=True):
            total += int.from_bytes(hashlib.sha256("\x1f".join(row).encode()).digest()[:16])
            rows += 1
    return rows, total % 2**128
