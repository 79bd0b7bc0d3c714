"""Taking a source in: every row ends accepted in a file, or refused with its reason in quarantine."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from aigc_core.contracts.check import REFUSED_SCHEMA, Door, refused_table
from aigc_core.contracts.model import ObjectContract
from aigc_core.contracts.schema import RawRow, arrow_schema
from aigc_core.errors import SourceInvalid
from aigc_core.events import Progress, report_progress
from aigc_core.records import Door as DoorRecord
from aigc_core.records import Gate
from aigc_core.storage.delta import Table
from aigc_core.storage.files import ParquetSink, read_batches
from aigc_core.storage.sources import file_sha256, read_source

NUMBER = "number"
"""Column of the accepted file: where the row stands in its source."""
QUARANTINE = pa.schema(
    [
        *(pa.field(name, pa.string(), nullable=False) for name in ("line", "door", "source", "source_sha256")),
        *REFUSED_SCHEMA,
        pa.field("refused_at", pa.timestamp("us", "UTC"), nullable=False),
    ]
)
Mapper = Callable[[RawRow], Sequence[RawRow]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """One door of one line."""

    line: str
    name: str
    """`catalogue` or `corpus`."""
    contract: ObjectContract
    rules_digest: str
    """Of the contract and the mapping: other rules may refuse other rows of the same file."""
    mapper: Mapper
    require: Callable[[Sequence[str], str], None]
    """Refuses a source whose columns do not fit; gets the names found and the source's name."""


def take_in(source: str, entrance: Entrance, accepted: Path, quarantine: Table) -> DoorRecord:
    """Judge every row of a source; accepted ones go to a typed Parquet file, the others to quarantine.

    Raises:
        SourceInvalid: the source cannot be read or lacks columns, or a rule on the whole set refuses it; refused
            rows are in quarantine even then.
    """
    door = Door(entrance.contract)
    schema = pa.schema([*arrow_schema(entrance.contract.columns), pa.field(NUMBER, pa.int64(), nullable=False)])
    refused = accepted.with_suffix(".refused.parquet")
    with ParquetSink(accepted, schema) as kept, ParquetSink(refused, REFUSED_SCHEMA) as held:
        for split in door.split(_mapped(source, entrance)):
            numbers = pa.array(split.numbers, pa.int64())
            kept.write(split.accepted.append_column(schema.field(NUMBER), numbers).cast(schema))
            held.write(refused_table(split.refused))
            report_progress(Progress(stage=f"ingest {entrance.name}", done=kept.rows + held.rows, total=None))
    record = door.record(name=entrance.name, source=source)
    _keep_refused(source, entrance, refused, quarantine, record)
    _require_gates(door.finish(str(accepted)), record, entrance)
    return record


def _mapped(source: str, entrance: Entrance) -> Iterator[list[RawRow]]:
    first = True
    for batch in read_source(source):
        if first:
            entrance.require(sorted({name for row in batch for name in row.values}), source)
            first = False
        yield [made for row in batch for made in ((row,) if row.error else entrance.mapper(row))]


def _keep_refused(source: str, entrance: Entrance, refused: Path, quarantine: Table, record: DoorRecord) -> None:
    if not record.quarantined:
        return
    digest = file_sha256(source)
    quarantine.create(QUARANTINE, stats=("line", "door", "source_sha256"))
    quarantine.append_once(
        lambda: pa.RecordBatchReader.from_batches(QUARANTINE, _labelled(source, digest, entrance, refused)),
        key=f"{entrance.name}:{digest}:{entrance.rules_digest}",
        note={"source_sha256": digest, "door": entrance.name},
    )


def _labelled(source: str, digest: str, entrance: Entrance, refused: Path) -> Iterator[pa.RecordBatch]:
    constant = {"line": entrance.line, "door": entrance.name, "source": source, "source_sha256": digest}
    now = datetime.now(UTC)
    for batch in read_batches(refused):
        columns = [pa.array([value] * batch.num_rows) for value in constant.values()]
        when = pa.array([now] * batch.num_rows, pa.timestamp("us", "UTC"))
        yield pa.RecordBatch.from_arrays([*columns, *batch.columns, when], schema=QUARANTINE)


def _require_gates(gates: Sequence[Gate], record: DoorRecord, entrance: Entrance) -> None:
    broken = [gate for gate in gates if gate.level == "block" and not gate.passed]
    if broken:
        rules = "; ".join(f"{gate.gate_id}: {gate.measure} is {gate.value}, must be {gate.rule}" for gate in broken[:5])
        raise SourceInvalid(
            f"{record.source} does not pass the {entrance.name} contract of {entrance.line}: {rules}.",
            f"Of {record.rows} rows, {record.accepted} were accepted and {record.quarantined} quarantined.",
            "Mend the source, or the rule in the contract.",
        )
