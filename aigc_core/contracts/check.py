"""The doors of the lake: what a contract says of rows that come in, rows that go out, and a whole run."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from aigc_core import records
from aigc_core.contracts.expectations import Suite
from aigc_core.contracts.judging import BrokenRule, RowRules, judge_file
from aigc_core.contracts.model import Expectation, Level, ObjectContract, Rule
from aigc_core.contracts.repeats import FirstStands
from aigc_core.contracts.rules import row_by_row
from aigc_core.contracts.schema import CellFailure, RawRow, arrow_schema, cast_rows, raw_json
from aigc_core.contracts.sql import one_row, row_gates
from aigc_core.contracts.tally import SchemaTallies, gate_result
from aigc_core.errors import ContractInvalid, SourceInvalid
from aigc_core.records import RuleResult, SourceFile

BATCH_ROWS = 20_000
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
    """What became of one batch: rows = accepted + refused + repeated + set aside."""

    accepted: pa.Table
    """Typed as `arrow_schema` says, in source order."""
    refused: tuple[Refused, ...]
    repeated: int
    """Rows equal to an accepted one: same key, same content."""
    unlabelled: pa.Table
    """Rows that hold but for a missing value of the column set aside: typed, that column null."""
    rows: tuple[RawRow, ...]
    """The accepted rows as they came to the door."""
    unlabelled_rows: tuple[RawRow, ...]
    """Likewise those set aside."""

    @property
    def numbers(self) -> tuple[int, ...]:
        """Where each accepted row stands in the source."""
        return tuple(row.number for row in self.rows)


class RowVerdict(NamedTuple):
    """One rule broken by one row."""

    row: int
    """Index in the table."""
    reason: str
    """Stable and without values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What happened to a source's rows before they came to the door."""

    read: int = 0
    """Source records read."""
    folded: int = 0
    """Source records that became part of another's row."""
    withheld: int = 0
    """Rows of items under takedown."""
    cleaned: Mapping[str, int] = field(default_factory=dict)
    """Cleaning step -> cells or rows it changed."""
    files: tuple[SourceFile, ...] = ()


class _Complaint(NamedTuple):
    column: str
    reason: str
    detail: str


class Door:
    """Judges a stream of raw rows by one object of a contract, and counts.

    In memory stand one batch, 12 bytes for each accepted row and unique column, and a few numbers for each rule.
    """

    def __init__(self, contract: ObjectContract, *, batch_rows: int = BATCH_ROWS, set_aside: str | None = None) -> None:
        """Compile the rules.

        Args:
            contract: what rows are held to.
            batch_rows: rows judged together.
            set_aside: a column, e.g. `text`: rows that lack it and hold otherwise are neither accepted nor refused.

        Raises:
            ContractInvalid: a Great Expectations rule that cannot be made.
        """
        self._contract = contract
        self._schema = arrow_schema(contract.columns)
        self._batch_rows = batch_rows
        self._set_aside = set_aside
        self._refusing = RowRules(contract, [rule for rule in contract.row_rules if rule.level in REFUSING])
        self._counting = RowRules(contract, _counted(contract))
        self._place = {column.name: place for place, column in enumerate(contract.columns)}
        self._first = FirstStands(contract)
        self._types = SchemaTallies(contract, self._first.spaces)
        self._set_results: tuple[RuleResult, ...] = ()
        self._accepted = self._repeated = self._unlabelled = 0
        self._reasons: Counter[str] = Counter()

    def split(self, batches: Iterable[Sequence[RawRow]]) -> Iterator[Split]:
        """Judge the rows, holding at most `batch_rows` and one incoming batch.

        Args:
            batches: rows whose values stand under the contract's column names; what cleaning holds against a row
                refuses it as a broken rule does.

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

        SQL runs over the file with bounded memory, shares were counted as the rows came by; any other expectation on
        the set, such as a mean, needs its own columns in memory, one rule at a time.

        Args:
            path: one Parquet file with every accepted row.

        Raises:
            ContractInvalid: a rule that cannot be evaluated.
            SourceInvalid: the file cannot be read back.
        """
        try:
            on_file = judge_file(self._contract, path)
        except (OSError, pa.ArrowException) as error:
            raise SourceInvalid(f"{path} cannot be read back: {' '.join(str(error).split())}.") from error
        counted = [(rule, tally.gate(rule.reason)) for rule, tally in self._counting.tallies]
        self._set_results = tuple(gate_result(rule, gate, self._accepted) for rule, gate in on_file)
        return tuple(gate for _, gate in [*on_file, *counted])

    def results(self) -> tuple[RuleResult, ...]:
        """What every rule found so far: types, keys, rules on rows; once finished, rules on the set."""
        on_rows = [tally.result() for _, tally in (*self._refusing.tallies, *self._counting.tallies)]
        return (*self._types.results(), *on_rows, *self._set_results)

    def record(self, *, name: str, source: str, arrival: Arrival | None = None) -> records.Door:
        """What happened so far, as a record with the rules' results.

        Args:
            name: of the door.
            source: as the user named it.
            arrival: what was read and cleaned before rows came here.
        """
        came = arrival or Arrival()
        quarantined = self._reasons.total()
        return records.Door(
            name=name,
            source=source,
            rows=self._accepted + quarantined + self._repeated + self._unlabelled + came.withheld,
            accepted=self._accepted,
            quarantined=quarantined,
            repeated=self._repeated,
            unlabelled=self._unlabelled,
            withheld=came.withheld,
            read=came.read,
            folded=came.folded,
            cleaned=dict(came.cleaned),
            files=came.files,
            rules=self.results(),
            reasons=dict(self._reasons.most_common()),
        )

    def _judge(self, rows: Sequence[RawRow]) -> Split:
        table, unfit = cast_rows(rows, self._contract.columns)
        against = self._complaints(rows, table, unfit)
        aside = [row for row, found in against.items() if self._only_lacks(found)]
        repeats = self._judge_repeats(rows, table, against)
        out = {*against, *repeats}
        keep = [row for row in range(len(rows)) if row not in out]
        held = sorted(set(against).difference(aside))
        refused = tuple(self._refused(rows[row], against[row]) for row in held)
        chosen = table if len(keep) == len(rows) else table.take(pa.array(keep, pa.int64()))
        self._counting.judge(chosen)
        self._accepted += len(keep)
        self._repeated += len(repeats)
        self._unlabelled += len(aside)
        self._reasons.update(one.reason for one in refused)
        aside = sorted(aside)
        return Split(
            accepted=chosen.cast(self._schema),
            refused=refused,
            repeated=len(repeats),
            unlabelled=self._aside(table, aside),
            rows=tuple(rows[row] for row in keep),
            unlabelled_rows=tuple(rows[row] for row in aside),
        )

    def _complaints(
        self, rows: Sequence[RawRow], table: pa.Table, unfit: Sequence[CellFailure]
    ) -> dict[int, list[_Complaint]]:
        against: dict[int, list[_Complaint]] = {}
        for cell in unfit:
            against.setdefault(cell.row, []).append(_Complaint(cell.column, cell.reason, cell.detail))
            self._types.unfit(cell.column, rows[cell.row].values.get(cell.column))
        unreadable = [row for row, found in enumerate(rows) if found.error]
        for row, found in enumerate(rows):
            for column, reason in found.complaints:
                against.setdefault(row, []).append(_Complaint(column, reason, reason))
        self._types.judged(len(rows) - len(unreadable))
        for failure in self._refusing.judge(table, unreadable):
            _add_broken_rule(against, failure)
        for row in unreadable:
            against[row] = [_Complaint("", UNREADABLE, f"row: {rows[row].error}")]
        return against

    def _only_lacks(self, complaints: Sequence[_Complaint]) -> bool:
        return self._set_aside is not None and {(one.column, one.reason) for one in complaints} == {
            (self._set_aside, f"{self._set_aside}: missing")
        }

    def _aside(self, table: pa.Table, chosen: Sequence[int]) -> pa.Table:
        found = table.take(pa.array(chosen, pa.int64()))
        return found.cast(
            pa.schema([one.with_nullable(one.nullable or one.name == self._set_aside) for one in self._schema])
        )

    def _refused(self, row: RawRow, complaints: Sequence[_Complaint]) -> Refused:
        # A row that lacks the column set aside is no bad one for that: what else is wrong comes first.
        aside = f"{self._set_aside}: missing"
        ordered = sorted(
            complaints, key=lambda one: (one.reason == aside, self._place.get(one.column, len(self._place)))
        )
        details = dict.fromkeys(one.detail for one in ordered)
        return Refused(row.number, ordered[0].column, ordered[0].reason, "; ".join(details), raw_json(row))

    def _judge_repeats(
        self, rows: Sequence[RawRow], table: pa.Table, against: dict[int, list[_Complaint]]
    ) -> list[int]:
        """Rows that repeat an accepted row; rows that reuse a key or a unique value are complained of."""
        candidates = [row for row in range(len(rows)) if row not in against]
        found = self._first.judge(table, candidates, rows)
        self._types.compared(len(candidates))
        for reuse in found.reused:
            against[reuse.row] = [_Complaint(reuse.names[0], reuse.reason, reuse.detail)]
            self._types.reused(reuse.names, [table[name][reuse.row].as_py() for name in reuse.names])
        return found.same


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
    rules = RowRules(contract, [rule for rule in contract.row_rules if rule.level in levels])
    for broken in rules.judge(table):
        if (broken.row, broken.rule.column) not in odd:
            verdicts.append(RowVerdict(broken.row, broken.reason))
    return sorted(dict.fromkeys(verdicts), key=lambda verdict: verdict.row)


def run_gates(contract: ObjectContract, row: Mapping[str, float | int | None]) -> tuple[records.Gate, ...]:
    """Every SQL rule of the object on one row of measures, then each constraint of a column that the row breaks.

    A rule that mentions a measure which is missing, null or not finite has not passed.

    Raises:
        ContractInvalid: a constraint that cannot be evaluated on its column.
    """
    table = one_row(contract, row)
    expectations = [rule for rule in contract.row_rules if isinstance(rule, Expectation)]
    broken = [rule for _, rule in Suite(expectations).failures(table)]
    return row_gates(contract, row) + tuple(_broken_gate(rule, table) for rule in broken)


def refused_table(refused: Sequence[Refused]) -> pa.Table:
    """The refused rows as a table of `REFUSED_SCHEMA`."""
    columns = zip(*refused, strict=True) if refused else [()] * len(REFUSED_SCHEMA)
    return pa.table(
        [pa.array(list(column), field.type) for column, field in zip(columns, REFUSED_SCHEMA, strict=True)],
        schema=REFUSED_SCHEMA,
    )


def _counted(contract: ObjectContract) -> list[Rule]:
    """Rules that refuse no row but are counted row by row: warnings, and expectations on most rows."""
    warnings = [rule for rule in contract.row_rules if rule.level == "warn"]
    return [*warnings, *(rule for rule in contract.set_rules if isinstance(rule, Expectation) and row_by_row(rule))]


def _add_broken_rule(against: dict[int, list[_Complaint]], broken: BrokenRule) -> None:
    complaints, rule = against.setdefault(broken.row, []), broken.rule
    # A cell that did not fit is null by now: that it is missing, or missing twice over, says nothing new.
    lacks = isinstance(rule, Expectation) and rule.name == "expect_column_values_to_not_be_null"
    if not (lacks and any(one.column == rule.column for one in complaints)):
        complaints.append(_Complaint(rule.column.split(", ")[0], broken.reason, broken.reason))


def _broken_gate(rule: Rule, table: pa.Table) -> records.Gate:
    value = table[rule.column][0].as_py() if rule.column in table.column_names else None
    return records.Gate(
        gate_id=rule.rule_id,
        level="warn" if rule.level == "warn" else "block",
        measure=rule.column,
        value=float(value) if isinstance(value, int | float) else None,
        rule=f"not {rule.reason}",
        passed=False,
    )


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
