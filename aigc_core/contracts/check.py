"""The doors of the lake: what a contract says of rows that come in, rows that go out, and a whole run."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aigc_core import records
from aigc_core.contracts.expectations import Suite, columns_of
from aigc_core.contracts.model import Expectation, Level, ObjectContract
from aigc_core.contracts.schema import RawRow, arrow_schema, cast_rows, raw_json
from aigc_core.contracts.seen import Seen, hash_of
from aigc_core.contracts.sql import file_gates, one_row, row_gates
from aigc_core.errors import ContractInvalid, SourceInvalid

BATCH_ROWS = 50_000
"""Rows judged together: the most that is held in memory."""
REFUSING: tuple[Level, ...] = ("block", "quarantine")
"""Levels whose rules refuse a row."""
UNREADABLE = "row: cannot be read"
REFUSED_SCHEMA = pa.schema(
    [
        pa.field("number", pa.int64(), nullable=False),
        pa.field("column", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
        pa.field("raw", pa.string(), nullable=False),
    ]
)


class Refused(NamedTuple):
    """One row that may not pass, with everything held against it."""

    number: int
    """Where it stands in the source; see `RawRow.number`."""
    column: str
    """The first column at fault; empty for a row that could not be taken apart."""
    reason: str
    """The first reason, stable and without values: what is counted, e.g. `capacity_ml: below 1`."""
    detail: str
    """All reasons, joined by `; `; may show the values."""
    raw: str
    """The row as JSON; the source text of a row that could not be taken apart."""


class Split(NamedTuple):
    """What became of one batch: rows = accepted + refused + repeated."""

    accepted: pa.Table
    """Typed as `arrow_schema` says, in source order."""
    numbers: tuple[int, ...]
    """Where each accepted row stands in the source."""
    refused: tuple[Refused, ...]
    repeated: int
    """Rows equal to an accepted one: same key, same content."""


class RowVerdict(NamedTuple):
    """One rule broken by one row."""

    row: int
    """Index in the table."""
    reason: str
    """Stable and without values."""


class _Complaint(NamedTuple):
    column: str
    reason: str
    detail: str


class Door:
    """Judges a stream of raw rows by one object of a contract, and counts."""

    def __init__(self, contract: ObjectContract, *, batch_rows: int = BATCH_ROWS) -> None:
        """Compile the rules.

        Raises:
            ContractInvalid: a Great Expectations rule that cannot be made.
        """
        self._contract = contract
        self._batch_rows = batch_rows
        self._suite = Suite([rule for rule in contract.row_rules if rule.level in REFUSING])
        self._place = {column.name: place for place, column in enumerate(contract.columns)}
        self._keys = Seen() if contract.key else None
        self._unique = {
            column.name: Seen() for column in contract.columns if column.unique and (column.name,) != contract.key
        }
        self._accepted = self._repeated = 0
        self._reasons: Counter[str] = Counter()

    def split(self, batches: Iterable[Sequence[RawRow]]) -> Iterator[Split]:
        """Judge the rows, holding at most `batch_rows` and one incoming batch.

        Args:
            batches: rows whose values stand under the contract's column names.

        Raises:
            ContractInvalid: a rule that cannot be evaluated on its column.
        """
        waiting: list[RawRow] = []
        for batch in batches:
            waiting += batch
            while len(waiting) >= self._batch_rows:
                yield self._judge(waiting[: self._batch_rows])
                waiting = waiting[self._batch_rows :]
        if waiting:
            yield self._judge(waiting)

    def finish(self, path: str) -> tuple[records.Gate, ...]:
        """Judge all accepted rows together: the rules on the set, and the share that breaks each warning.

        Args:
            path: one Parquet file with every accepted row.

        Raises:
            ContractInvalid: a rule that cannot be evaluated.
            SourceInvalid: the file cannot be read back.
        """
        try:
            return file_gates(self._contract, path) + _expectation_gates(self._contract, path)
        except (OSError, pa.ArrowException) as error:
            raise SourceInvalid(f"{path} cannot be read back: {' '.join(str(error).split())}.") from error

    def record(self, *, name: str, source: str) -> records.Door:
        """What happened so far, as a record."""
        quarantined = self._reasons.total()
        return records.Door(
            name=name,
            source=source,
            rows=self._accepted + quarantined + self._repeated,
            accepted=self._accepted,
            quarantined=quarantined,
            repeated=self._repeated,
            reasons=dict(self._reasons.most_common()),
        )

    def _judge(self, rows: Sequence[RawRow]) -> Split:
        table, unfit = cast_rows(rows, self._contract.columns)
        against: dict[int, list[_Complaint]] = {}
        readable = [not row.error for row in rows]
        for cell in unfit:
            against.setdefault(cell.row, []).append(_Complaint(cell.column, cell.reason, cell.detail))
        for row, rule in self._suite.failures(table):
            self._add_broken_rule(against, row, rule)
        for row, found in enumerate(rows):
            if not readable[row]:
                against[row] = [_Complaint("", UNREADABLE, f"row: {found.error}")]
        repeated = self._judge_repeats(table, against)
        keep = [row for row in range(len(rows)) if row not in against and row not in repeated]
        refused = tuple(self._refused(rows[row], against[row]) for row in sorted(against))
        self._accepted += len(keep)
        self._repeated += len(repeated)
        self._reasons.update(one.reason for one in refused)
        accepted = table.take(pa.array(keep, pa.int64())).cast(arrow_schema(self._contract.columns))
        return Split(accepted, tuple(rows[row].number for row in keep), refused, len(repeated))

    def _add_broken_rule(self, against: dict[int, list[_Complaint]], row: int, rule: Expectation) -> None:
        complaints = against.setdefault(row, [])
        # A cell that did not fit is null by now: that it is missing, or missing twice over, says nothing new.
        if not (
            rule.name == "expect_column_values_to_not_be_null" and any(c.column == rule.column for c in complaints)
        ):
            complaints.append(_Complaint(rule.column, rule.reason, rule.reason))

    def _refused(self, row: RawRow, complaints: Sequence[_Complaint]) -> Refused:
        ordered = sorted(complaints, key=lambda one: self._place.get(one.column, len(self._place)))
        details = dict.fromkeys(one.detail for one in ordered)
        return Refused(row.number, ordered[0].column, ordered[0].reason, "; ".join(details), raw_json(row))

    def _judge_repeats(self, table: pa.Table, against: dict[int, list[_Complaint]]) -> set[int]:
        """Rows that repeat an accepted row; rows that reuse a key or a unique value are complained of."""
        if self._keys is None and not self._unique:
            return set()
        candidates = [row for row in range(table.num_rows) if row not in against]
        keys = [hash_of(key) for key in _tuples(table.select(self._contract.key), candidates)]
        contents = [hash_of(content) for content in _tuples(table, candidates)]
        singles = {
            name: [hash_of(value) if value is not None else None for value in _values(table, name, candidates)]
            for name in self._unique
        }
        if self._keys:
            self._keys.begin(keys)
        for name, seen in self._unique.items():
            seen.begin([value for value in singles[name] if value is not None])
        repeated: set[int] = set()
        for place, row in enumerate(candidates):
            own = {name: found for name, values in singles.items() if (found := values[place]) is not None}
            answer = self._keys.ask(keys[place], contents[place]) if self._keys else "new"
            taken = [name for name, value in own.items() if self._unique[name].ask(value, 0) != "new"]
            if answer == "same":
                repeated.add(row)
            elif answer == "other" or taken:
                name = taken[0] if answer == "new" else ", ".join(self._contract.key)
                against[row] = [_Complaint(name, f"{name}: repeated", f"{name}: repeated")]
            else:
                self._accept(keys[place] if keys else 0, contents[place], own)
        return repeated

    def _accept(self, key: int, content: int, own: Mapping[str, int]) -> None:
        if self._keys:
            self._keys.add(key, content)
        for name, value in own.items():
            self._unique[name].add(value, 0)


def check_rows(contract: ObjectContract, table: pa.Table, *, levels: Collection[Level] = REFUSING) -> list[RowVerdict]:
    """Every rule of these levels that a row of a typed table breaks, in row order.

    A float that is not finite breaks its column whatever the rules say. Keys and unique columns are held
    within the table: the first row of a key stands.

    Raises:
        ContractInvalid: a column is missing, or a rule cannot be evaluated on it.
    """
    missing = [column.name for column in contract.columns if column.name not in table.column_names]
    if missing:
        raise ContractInvalid(
            f"The rows have no column {missing[0]!r}, which {contract.name!r} declares.",
            f"Columns are: {', '.join(table.column_names)}.",
        )
    odd = _not_finite(contract, table)
    verdicts: list[RowVerdict] = []
    if "block" in levels:
        verdicts += [RowVerdict(row, f"{name}: not a finite number") for row, name in odd]
        verdicts += _reused(contract, table)
    for row, rule in Suite([rule for rule in contract.row_rules if rule.level in levels]).failures(table):
        if (row, rule.column) not in odd:
            verdicts.append(RowVerdict(row, rule.reason))
    return sorted(dict.fromkeys(verdicts), key=lambda verdict: verdict.row)


def run_gates(contract: ObjectContract, row: Mapping[str, float | int | None]) -> tuple[records.Gate, ...]:
    """Every SQL rule of the object on one row of measures, then each constraint of a column that the row breaks.

    A rule that mentions a measure which is missing, null or not finite has not passed.

    Raises:
        ContractInvalid: a constraint that cannot be evaluated on its column.
    """
    table = one_row(contract, row)
    broken = [rule for _, rule in Suite(contract.row_rules).failures(table)]
    return row_gates(contract, row) + tuple(_broken_gate(rule, table) for rule in broken)


def refused_table(refused: Sequence[Refused]) -> pa.Table:
    """The refused rows as a table of `REFUSED_SCHEMA`."""
    columns = zip(*refused, strict=True) if refused else [()] * len(REFUSED_SCHEMA)
    return pa.table(
        [pa.array(list(column), field.type) for column, field in zip(columns, REFUSED_SCHEMA, strict=True)],
        schema=REFUSED_SCHEMA,
    )


def _broken_gate(rule: Expectation, table: pa.Table) -> records.Gate:
    value = table[rule.column][0].as_py() if rule.column in table.column_names else None
    return records.Gate(
        gate_id=rule.rule_id,
        level="warn" if rule.level == "warn" else "block",
        measure=rule.column,
        value=float(value) if isinstance(value, int | float) else None,
        rule=f"not {rule.reason}",
        passed=False,
    )


def _expectation_gates(contract: ObjectContract, path: str) -> tuple[records.Gate, ...]:
    rules = [rule for rule in contract.row_rules if rule.level == "warn"]
    rules += [rule for rule in contract.set_rules if isinstance(rule, Expectation)]
    if not rules:
        return ()
    # A rule on the table alone, such as a row count, names no column: any one shows the rows.
    wanted = columns_of(rules) or [contract.columns[0].name]
    table = pq.read_table(path, columns=wanted, page_checksum_verification=True)
    return Suite(rules).gates(table)


def _not_finite(contract: ObjectContract, table: pa.Table) -> dict[tuple[int, str], None]:
    """(row, column) of each NaN or infinity, in the order of the columns."""
    found: dict[tuple[int, str], None] = {}
    for column in contract.columns:
        if pa.types.is_floating(table[column.name].type):
            finite = pc.fill_null(pc.is_finite(table[column.name]), fill_value=True)
            found |= {(row, column.name): None for row in pc.indices_nonzero(pc.invert(finite)).to_pylist()}
    return found


def _reused(contract: ObjectContract, table: pa.Table) -> list[RowVerdict]:
    found = []
    groups = [contract.key] if contract.key else []
    groups += [(column.name,) for column in contract.columns if column.unique and (column.name,) != contract.key]
    for names in groups:
        taken: set[tuple[object, ...]] = set()
        for row, value in enumerate(_tuples(table.select(list(names)), range(table.num_rows))):
            if value in taken and None not in value:
                found.append(RowVerdict(row, f"{', '.join(names)}: repeated"))
            taken.add(value)
    return found


def _tuples(table: pa.Table, rows: Sequence[int]) -> list[tuple[object, ...]]:
    columns = [column.to_pylist() for column in table.columns]
    return [tuple(column[row] for column in columns) for row in rows]


def _values(table: pa.Table, name: str, rows: Sequence[int]) -> list[object]:
    column = table[name].to_pylist()
    return [column[row] for row in rows]
