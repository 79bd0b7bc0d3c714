"""Taking a source in: every row ends accepted in a file, or refused with its reason in quarantine."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from aigc_core.contracts.check import REFUSED_SCHEMA, Arrival, Door, Split, refused_table
from aigc_core.contracts.cleaning import Cleaner, Step
from aigc_core.contracts.comparison import holds
from aigc_core.contracts.model import ObjectContract, SqlRule
from aigc_core.contracts.reading import Reading
from aigc_core.contracts.schema import RawRow, arrow_schema
from aigc_core.contracts.sql_rules import quoted
from aigc_core.errors import ConservationBroken, SourceInvalid
from aigc_core.events import Progress, report_progress
from aigc_core.records import Door as DoorRecord
from aigc_core.records import Gate
from aigc_core.storage.delta import Table
from aigc_core.storage.files import ParquetSink, read_batches
from aigc_core.storage.source_files import public_name
from aigc_core.storage.sources import file_sha256, read_source, survey

NUMBER = "number"
"""Column of the accepted file: where the row stands in its source."""
RAW, LICENCE, SOURCE, CAME = "__raw", "__licence", "__source", "__came"
"""Values a mapper may add to a row beside the contract's: what cleaning changed, as JSON; terms; origin; the whole
row as it came, as JSON."""
CARRIED = (RAW, LICENCE, SOURCE, CAME)
_KEY = "item_id"
_ROW_COUNT = "SELECT count(*) FROM "
HELD = pa.schema([*REFUSED_SCHEMA, pa.field(_KEY, pa.string())])
"""Refused rows, each with the id it claims to have, as far as it can be read."""
QUARANTINE = pa.schema(
    [
        *(pa.field(name, pa.string(), nullable=False) for name in ("line", "door", "source", "source_sha256")),
        *HELD,
        pa.field("refused_at", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("ingested", pa.string()),
    ]
)
"""`ingested`: which source under which rules was taken in; see `CatalogueSnapshot.ingested`."""
Mapper = Callable[[RawRow], Sequence[RawRow]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """One door of one line."""

    line: str
    name: str
    """`catalogue` or `corpus`."""
    contract: ObjectContract
    mapper: Mapper
    require: Callable[[Sequence[str], str], None]
    """Refuses a source whose columns do not fit; gets the names found and the source's name."""
    reading: Reading
    steps: tuple[Step, ...] = ()
    set_aside: str | None = None
    """A row that lacks nothing but this column is unlabelled, not refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenIn:
    """What the contract made of one source; the three files lie in a scratch folder."""

    door: DoorRecord
    accepted: Path
    """The contract's typed columns, `number` and `CARRIED`, in source order."""
    unlabelled: Path
    """Likewise, for rows without the column set aside."""
    refused: Path
    """Of `REFUSED_SCHEMA`, with the id each row claims."""
    gates: tuple[Gate, ...]


def take_in(source: str, entrance: Entrance, scratch: Path) -> TakenIn:
    """Read, clean, map and judge every row of a source.

    Raises:
        SourceInvalid: the source cannot be read or lacks columns.
        ConservationBroken: rows went missing or were counted twice.
    """
    door = Door(entrance.contract, set_aside=entrance.set_aside)
    flow = _Flow(source, entrance)
    schema, free = (accepted_schema(entrance.contract, free=name) for name in (None, entrance.set_aside))
    accepted, unlabelled, refused = (scratch / f"{name}.parquet" for name in ("accepted", "unlabelled", "refused"))
    with (
        ParquetSink(accepted, schema) as kept,
        ParquetSink(unlabelled, free) as apart,
        ParquetSink(refused, HELD) as held,
    ):
        for split in door.split(flow.rows()):
            kept.write(_with_carried(split.accepted, split.rows, schema))
            apart.write(_with_carried(split.unlabelled, split.unlabelled_rows, free))
            held.write(flow.with_ids(split))
            report_progress(Progress(stage=f"ingest {entrance.name}", done=flow.read, total=None))
    gates = door.finish(str(accepted))
    files = survey(source, reading=entrance.reading)
    arrival = Arrival(read=flow.read, folded=flow.folded, cleaned=flow.cleaned, files=files)
    record = door.record(name=entrance.name, source=public_name(source), arrival=arrival).require_conserved()
    flow.require_conserved(record)
    return TakenIn(door=record, accepted=accepted, unlabelled=unlabelled, refused=refused, gates=gates)


def accepted_schema(contract: ObjectContract, *, free: str | None = None) -> pa.Schema:
    """Columns of an accepted or unlabelled file; the column named free may be null."""
    typed = [pa.field(one.name, one.type, one.nullable or one.name == free) for one in arrow_schema(contract.columns)]
    carried = [pa.field(name, pa.string()) for name in CARRIED]
    return pa.schema([*typed, pa.field(NUMBER, pa.int64(), nullable=False), *carried])


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What is taken in: a source as it was, under everything that decides about its rows."""

    source: str
    sha256: str
    ingested: str
    """Fingerprint of the bytes, the contract, the recipe and the takedowns."""


def require_unchanged(origin: Origin) -> None:
    """Refuse a source whose bytes changed while they were read: nobody could say which of them were judged.

    Raises:
        SourceInvalid: it changed.
    """
    if file_sha256(origin.source) != origin.sha256:
        raise SourceInvalid(
            f"{public_name(origin.source)} changed while it was being read.",
            "A version holds what one file said.",
            "Run the same command again when the file is written to its end.",
        )


def keep_refused(origin: Origin, entrance: Entrance, refused: Sequence[Path], quarantine: Table) -> None:
    """Put refused rows in quarantine, once an ingest."""
    filled = [path for path in refused if any(batch.num_rows for batch in read_batches(path, [NUMBER]))]
    if not filled:
        return
    quarantine.create(QUARANTINE, stats=("line", "door", "source_sha256"))
    quarantine.append_once(
        lambda: pa.RecordBatchReader.from_batches(QUARANTINE, _labelled(origin, entrance, filled)),
        key=f"{entrance.name}:{origin.ingested}",
        note={"source_sha256": origin.sha256, "door": entrance.name},
    )


def regated(contract: ObjectContract, gates: Sequence[Gate], rows: int) -> tuple[Gate, ...]:
    """The gates with every rule on the number of rows held against another number: that of the rows left at last."""
    counting = {
        rule.rule_id: rule
        for rule in contract.set_rules
        if isinstance(rule, SqlRule) and rule.query == _ROW_COUNT + quoted(contract.name)
    }
    return tuple(
        replace(
            gate, value=float(rows), passed=holds(rows, counting[gate.gate_id].operator, counting[gate.gate_id].operand)
        )
        if gate.gate_id in counting
        else gate
        for gate in gates
    )


def require_gates(taken: TakenIn, entrance: Entrance, tell: Callable[[DoorRecord], None] | None) -> None:
    """Refuse a source whose whole breaks the contract.

    Args:
        tell: gets what the contract found before the refusal.

    Raises:
        SourceInvalid: names every rule that was broken.
    """
    broken = [gate for gate in taken.gates if gate.level == "block" and not gate.passed]
    if broken:
        record = taken.door
        if tell is not None:
            tell(record)
        rules = "; ".join(f"{gate.gate_id}: {gate.measure} is {gate.value}, must be {gate.rule}" for gate in broken[:5])
        raise SourceInvalid(
            f"{record.source} does not pass the {entrance.name} contract of {entrance.line}: {rules}.",
            f"Of {record.rows} rows, {record.accepted} were accepted and {record.quarantined} quarantined.",
            "Mend the source, or the rule in the contract.",
        )


class _Flow:
    """The rows on their way to the door, counted at both ends of cleaning and mapping."""

    def __init__(self, source: str, entrance: Entrance) -> None:
        self._source, self._entrance = source, entrance
        self._cleaner = Cleaner(entrance.steps, door="corpus" if entrance.name == "corpus" else "catalogue")
        self._cleaned_lines = self._mapped = 0
        self._ids: deque[tuple[int, str | None]] = deque()
        self.read = 0
        """Source records so far."""

    @property
    def folded(self) -> int:
        """Source records that became part of another's row."""
        return self._cleaner.folded

    @property
    def cleaned(self) -> dict[str, int]:
        """Cleaning step -> cells or rows it changed."""
        return dict(self._cleaner.counts)

    def rows(self) -> Iterator[list[RawRow]]:
        """Mapped rows, batch by batch."""
        for batch in self._cleaner.clean(self._counted()):
            self._cleaned_lines += sum(row.lines for row in batch)
            mapped = [made for row in batch for made in ((row,) if row.error else self._entrance.mapper(row))]
            self._mapped += len(mapped)
            self._ids.extend((row.number, _id_of(row)) for row in mapped)
            yield mapped

    def with_ids(self, split: Split) -> pa.Table:
        """A split's refused rows, each with the id it claims. Splits come in the order of the rows."""
        judged = len(split.rows) + len(split.refused) + split.repeated + len(split.unlabelled_rows)
        ids = dict(self._ids.popleft() for _ in range(judged))
        claimed = pa.array([ids[one.number] for one in split.refused], pa.string())
        return refused_table(split.refused).append_column(HELD.field(_KEY), claimed)

    def _counted(self) -> Iterator[list[RawRow]]:
        for batch in read_source(self._source, reading=self._entrance.reading):
            if not self.read:
                self._entrance.require(sorted({name for row in batch for name in row.values}), self._source)
            self.read += len(batch)
            yield batch

    def require_conserved(self, record: DoorRecord) -> None:
        if not (self.read == self._cleaned_lines and self._mapped == record.rows):
            raise ConservationBroken(
                f"{self._source}: {self.read} records were read, {self._cleaned_lines} left cleaning as "
                f"{self._mapped} rows, and {record.rows} were judged.",
                "Every record must be accounted for.",
            )


def _id_of(row: RawRow) -> str | None:
    value = row.values.get(_KEY)
    text = "" if value is None else str(value).strip()
    return text if text.isprintable() and text else None


def _with_carried(typed: pa.Table, rows: Sequence[RawRow], schema: pa.Schema) -> pa.Table:
    numbers = pa.array([row.number for row in rows], pa.int64())
    carried = [pa.array([row.values.get(name) for row in rows], pa.string()) for name in CARRIED]
    return pa.table([*typed.columns, numbers, *carried], names=[*typed.column_names, NUMBER, *CARRIED]).cast(schema)


def _labelled(origin: Origin, entrance: Entrance, refused: Sequence[Path]) -> Iterator[pa.RecordBatch]:
    constant: dict[str, object] = {
        "line": entrance.line,
        "door": entrance.name,
        "source": public_name(origin.source),
        "source_sha256": origin.sha256,
        "refused_at": datetime.now(UTC),
        "ingested": origin.ingested,
    }
    for batch in (batch for path in refused for batch in read_batches(path)):
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        for name, value in constant.items():
            columns[name] = pa.array([value] * batch.num_rows, QUARANTINE.field(name).type)
        yield pa.RecordBatch.from_arrays([columns[name] for name in QUARANTINE.names], schema=QUARANTINE)
