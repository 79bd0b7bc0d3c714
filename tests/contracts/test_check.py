import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from contract_files import items, raw
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_core.contracts.check import REFUSED_SCHEMA, Arrival, Door, Refused, Split, check_rows, refused_table
from aigc_core.contracts.model import Column, Expectation, ObjectContract
from aigc_core.contracts.schema import RawRow
from aigc_core.errors import ContractInvalid, SourceInvalid
from aigc_core.records import Gate

ID = "name: item_id, logicalType: string, primaryKey: true"
NAME = "name: name, logicalType: string, required: true, logicalTypeOptions: {maxLength: 8}"
SIZE = "name: size, logicalType: integer, logicalTypeOptions: {minimum: 1}"
KIND = (
    "name: kind, logicalType: string, quality: [{metric: invalidValues, arguments: {validValues: [a, b]}, mustBe: 0}]"
)
PLAIN = ObjectContract(
    name="items",
    columns=(Column(name="id", type="string", required=True, key=True), Column(name="n", type="integer")),
)
GOOD = {"item_id": "007", "name": "Mug", "size": "3", "kind": "a"}


def split(contract: ObjectContract, *rows: Mapping[str, object]) -> Split:
    return next(Door(contract).split([raw(*rows)]))


def finished(contract: ObjectContract, folder: Path, *rows: dict[str, object]) -> dict[str, Gate]:
    door = Door(contract)
    pq.write_table(pa.concat_tables(one.accepted for one in door.split([raw(*rows)])), folder / "accepted.parquet")
    return {gate.gate_id: gate for gate in door.finish(str(folder / "accepted.parquet"))}


def test_good_rows_pass_typed_and_in_order(tmp_path: Path) -> None:
    found = split(items(tmp_path, ID, NAME, SIZE, KIND), GOOD, GOOD | {"item_id": 8, "size": None})
    assert found.accepted.to_pydict() == {
        "item_id": ["007", "8"],
        "name": ["Mug", "Mug"],
        "size": [3, None],
        "kind": ["a", "a"],
    }
    assert not found.accepted.schema.field("item_id").nullable
    assert (found.numbers, found.refused, found.repeated) == ((1, 2), (), 0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"item_id": ""}, "item_id: missing"),
        ({"name": None}, "name: missing"),
        ({"name": "Mug of gold"}, "name: longer than 8"),
        ({"size": "big"}, "size: not a whole number"),
        ({"size": 0}, "size: below 1"),
        ({"kind": "c"}, "kind: not one of the allowed values"),
    ],
)
def test_a_bad_row_is_refused_once_with_a_short_reason(tmp_path: Path, change: dict[str, object], reason: str) -> None:
    found = split(items(tmp_path, ID, NAME, SIZE, KIND), GOOD | change, GOOD)
    assert [(one.number, one.column, one.reason) for one in found.refused] == [(1, reason.split(":")[0], reason)]
    assert json.loads(found.refused[0].raw) == GOOD | change
    assert found.numbers == (2,)


def test_a_row_with_several_faults_names_them_all_and_counts_once(tmp_path: Path) -> None:
    door = Door(items(tmp_path, ID, NAME, SIZE, KIND))
    bad = {"item_id": "1", "name": " ", "size": "NaN", "kind": "c"}
    found = next(door.split([raw(bad)]))
    assert found.refused[0].detail == (
        "name: missing; size: 'NaN' is not a whole number; kind: not one of the allowed values"
    )
    assert door.record(name="catalogue", source="f.csv").reasons == {"name: missing": 1}


def test_a_required_cell_that_does_not_fit_is_not_called_missing_too(tmp_path: Path) -> None:
    found = split(items(tmp_path, "name: size, logicalType: integer, required: true"), {"size": "big"})
    assert found.refused[0].detail == "size: 'big' is not a whole number"


def test_a_row_that_could_not_be_read_is_kept_with_its_text() -> None:
    found = next(Door(PLAIN).split([[RawRow(7, {}, "not JSON", "{oops")]]))
    assert found.refused == (Refused(7, "", "row: cannot be read", "row: not JSON", "{oops"),)


def test_equal_rows_are_repeated_and_other_content_under_a_key_is_refused() -> None:
    found = split(PLAIN, {"id": "1", "n": 1}, {"id": "1", "n": "1"}, {"id": "1", "n": 2}, {"id": "2", "n": 1})
    assert found.numbers == (1, 4)
    assert found.repeated == 1
    assert [(one.number, one.reason) for one in found.refused] == [(3, "id: repeated")]


def test_a_refused_row_does_not_take_its_key() -> None:
    assert split(PLAIN, {"id": "1", "n": "x"}, {"id": "1", "n": 1}).numbers == (2,)


def test_a_unique_column_lets_a_value_in_once_and_any_number_of_nulls(tmp_path: Path) -> None:
    contract = items(tmp_path, ID, "name: code, logicalType: string, unique: true")
    rows: list[dict[str, object]] = [
        {"item_id": number, "code": code} for number, code in enumerate(["x", "x", None, None])
    ]
    found = split(contract, *rows)
    assert found.numbers == (1, 3, 4)
    assert [one.reason for one in found.refused] == ["code: repeated"]


def test_a_key_of_two_columns_repeats_only_as_a_pair(tmp_path: Path) -> None:
    contract = items(tmp_path, ID, "name: locale, logicalType: string, primaryKey: true", SIZE)
    row: dict[str, object] = {"item_id": "1", "locale": "en", "size": 1}
    found = split(contract, row, row | {"locale": "zh"}, row | {"size": 2})
    assert found.numbers == (1, 2)
    assert [one.reason for one in found.refused] == ["item_id, locale: repeated"]


Cells = st.fixed_dictionaries({"id": st.sampled_from(["1", "2", "3"]), "n": st.sampled_from([1, "2", "x", None])})


@settings(deadline=None)
@given(st.lists(Cells, max_size=12), st.integers(1, 5), st.integers(1, 7))
def test_no_row_is_lost_however_the_stream_is_cut(rows: list[dict[str, object]], incoming: int, held: int) -> None:
    def outcome(batches: Sequence[Sequence[RawRow]], batch_rows: int) -> tuple[list[int], list[int], int]:
        door = Door(PLAIN, batch_rows=batch_rows)
        splits = list(door.split(batches))
        record = door.record(name="catalogue", source="f")
        assert record.rows == record.accepted + record.quarantined + record.repeated == len(rows)
        assert sum(record.reasons.values()) == record.quarantined
        refused = [one.number for found in splits for one in found.refused]
        return [number for found in splits for number in found.numbers], refused, record.repeated

    stream = raw(*rows)
    cut = [stream[start : start + incoming] for start in range(0, len(stream), incoming)]
    assert outcome(cut, held) == outcome([stream], 1000)


def test_the_stream_is_never_held_whole() -> None:
    drawn = []

    def source() -> Iterator[list[RawRow]]:
        for number in range(10):
            drawn.append(number)
            yield raw({"id": str(number)})

    next(Door(PLAIN, batch_rows=2).split(source()))
    assert drawn == [0, 1]


def test_gates_over_the_set_are_evaluated_on_what_was_accepted(tmp_path: Path) -> None:
    contract = items(
        tmp_path,
        ID,
        SIZE + ", quality: [{id: nulls, metric: nullValues, unit: percent, mustBeLessThan: 40}]",
        quality=(
            "id: count, metric: rowCount, mustBeGreaterThan: 2",
            "id: total, type: sql, query: 'SELECT sum(size) FROM {object}', mustBeBetween: [1, 4], severity: warn",
            "id: twins, metric: duplicateValues, arguments: {properties: [size]}, mustBe: 0",
        ),
    )
    rows: list[dict[str, object]] = [{"item_id": number, "size": size} for number, size in enumerate([2, 2, None, 0])]
    gates = finished(contract, tmp_path, *rows)
    assert {name: (gate.value, gate.passed) for name, gate in gates.items()} == {
        "nulls": (pytest.approx(100 / 3), True),
        "count": (3.0, True),
        "total": (4.0, True),
        "twins": (1.0, False),
    }
    assert (gates["total"].level, gates["total"].measure, gates["total"].rule) == ("warn", "size", "between 1 and 4")


def test_a_warning_refuses_no_row_but_is_a_gate(tmp_path: Path) -> None:
    rule = "{id: old, metric: invalidValues, arguments: {pattern: '^x'}, mustBe: 0, severity: warn}"
    gates = finished(items(tmp_path, ID + f", quality: [{rule}]"), tmp_path, {"item_id": "x1"}, {"item_id": "y1"})
    assert gates["old"] == Gate(
        gate_id="old",
        level="warn",
        measure="item_id: does not match the pattern",
        value=0.5,
        rule="share <= 0",
        passed=False,
    )


def test_great_expectations_rules_on_the_set_are_gates(tmp_path: Path) -> None:
    custom = "type: custom, engine: greatExpectations, implementation"
    contract = items(
        tmp_path,
        ID,
        SIZE,
        quality=(
            f"id: mean, {custom}: {{type: expect_column_mean_to_be_between, kwargs: {{column: size, max_value: 2}}}}",
            f"id: rows, {custom}: {{type: expect_table_row_count_to_equal, kwargs: {{value: 2}}}}",
        ),
    )
    gates = finished(contract, tmp_path, {"item_id": 1, "size": 3}, {"item_id": 2, "size": 5})
    assert (gates["mean"].value, gates["mean"].passed) == (4.0, False)
    assert (gates["rows"].value, gates["rows"].passed) == (2.0, True)


@pytest.mark.parametrize(
    ("name", "kwargs", "said"),
    [
        ("expect_column_values_to_be_nice", {}, "expect_column_values_to_be_nice cannot be made"),
        ("expect_column_values_to_be_between", {"colour": 1}, "expect_column_values_to_be_between cannot be made"),
    ],
)
def test_an_unknown_expectation_is_refused_before_any_row(name: str, kwargs: dict[str, object], said: str) -> None:
    rule = Expectation(rule_id="r", level="block", column="id", name=name, kwargs={"column": "id", **kwargs})
    with pytest.raises(ContractInvalid, match=said):
        Door(ObjectContract(name="items", columns=PLAIN.columns, row_rules=(rule,)))


def test_an_expectation_that_does_not_fit_its_column_never_passes_silently(tmp_path: Path) -> None:
    rule = "{type: expect_column_values_to_be_between, kwargs: {min_value: 1}}"
    contract = items(tmp_path, ID + f", quality: [{{type: custom, engine: greatExpectations, implementation: {rule}}}]")
    with pytest.raises(ContractInvalid, match=r"Rule item_id-custom-0: .* cannot be evaluated"):
        split(contract, GOOD)


def test_a_damaged_file_of_accepted_rows_is_not_judged(tmp_path: Path) -> None:
    contract = items(tmp_path, ID, quality=("metric: rowCount, mustBeGreaterThan: 0",))
    (tmp_path / "accepted.parquet").write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(SourceInvalid, match="cannot be read back"):
        Door(contract).finish(str(tmp_path / "accepted.parquet"))


def test_refused_rows_become_a_table() -> None:
    one = Refused(1, "id", "id: missing", "id: missing", "{}")
    assert refused_table([one]).to_pylist() == [one._asdict()]
    assert refused_table([]).schema == REFUSED_SCHEMA


SCORE = "name: score, logicalType: number, logicalTypeOptions: {maximum: 0.5}"


def test_typed_rows_are_checked_row_by_row(tmp_path: Path) -> None:
    table = pa.table({"item_id": ["1", None, "3", "3"], "score": [0.9, 0.1, math.nan, None], "other": [1, 2, 3, 4]})
    assert check_rows(items(tmp_path, ID, SCORE), table) == [
        (0, "score: above 0.5"),
        (1, "item_id: missing"),
        (2, "score: not a finite number"),
        (3, "item_id: repeated"),
    ]


def test_rules_that_warn_are_checked_on_demand(tmp_path: Path) -> None:
    rule = "{metric: nullValues, mustBe: 0, severity: warn}"
    contract = items(tmp_path, ID, f"name: note, logicalType: string, quality: [{rule}]")
    table = pa.table({"item_id": ["1"], "note": pa.nulls(1, pa.string())})
    warnings = check_rows(contract, table, levels=["warn"])
    assert (check_rows(contract, table), warnings) == ([], [(0, "note: missing")])


def test_a_table_without_a_declared_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractInvalid, match=r"no column 'score', which 'items' declares. Columns are: item_id"):
        check_rows(items(tmp_path, ID, SCORE), pa.table({"item_id": ["1"]}))


TEXT = "name: text, logicalType: string, required: true, logicalTypeOptions: {minLength: 3}"


def labelled(*rows: dict[str, object], folder: Path) -> tuple[Door, Split]:
    door = Door(items(folder, ID, SIZE, TEXT), set_aside="text")
    return door, next(door.split([raw(*rows)]))


def test_rows_that_lack_only_the_column_set_aside_are_kept_apart(tmp_path: Path) -> None:
    whole: dict[str, object] = {"item_id": "1", "size": 2, "text": "A mug."}
    door, found = labelled(whole, whole | {"text": " "}, whole | {"text": None, "size": 0}, folder=tmp_path)
    assert found.unlabelled.to_pylist() == [{"item_id": "1", "size": 2, "text": None}]
    assert [row.number for row in found.unlabelled_rows] == [2]
    assert [one.detail for one in found.refused] == ["size: below 1; text: missing"]
    record = door.record(name="corpus", source="f.csv")
    assert (record.rows, record.accepted, record.unlabelled, record.quarantined) == (3, 1, 1, 1)


def test_a_missing_text_is_the_last_thing_said_of_a_row(tmp_path: Path) -> None:
    row: dict[str, object] = {"item_id": "1", "size": 0, "text": None}
    found = next(Door(items(tmp_path, TEXT, ID, SIZE), set_aside="text").split([raw(row)]))
    (one,) = found.refused
    assert (one.column, one.reason, one.detail) == ("size", "size: below 1", "size: below 1; text: missing")


def test_a_text_that_is_there_but_bad_is_refused_not_set_aside(tmp_path: Path) -> None:
    placeholder = RawRow(1, {"item_id": "1"}, complaints=(("text", "text: holds the placeholder <UNK>"),))
    door = Door(items(tmp_path, ID, SIZE, TEXT), set_aside="text")
    found = next(door.split([[placeholder, *raw({"item_id": "2", "text": "ab"})]]))
    assert [one.reason for one in found.refused] == ["text: holds the placeholder <UNK>", "text: shorter than 3"]
    assert found.unlabelled.num_rows == 0


def test_without_a_column_set_aside_a_missing_text_is_refused(tmp_path: Path) -> None:
    found = split(items(tmp_path, ID, TEXT), {"item_id": "1"})
    assert [one.reason for one in found.refused] == ["text: missing"]


def test_what_cleaning_holds_against_a_row_refuses_it_with_the_rules(tmp_path: Path) -> None:
    complaint = (("name", "name: holds the placeholder <UNK>"),)
    row = RawRow(4, GOOD | {"size": 0}, source={"raw": "<UNK>"}, complaints=complaint)
    found = next(Door(items(tmp_path, ID, NAME, SIZE, KIND)).split([[row]]))
    assert found.refused[0].detail == "name: holds the placeholder <UNK>; size: below 1"
    assert json.loads(found.refused[0].raw) == {"raw": "<UNK>"}


def test_a_repeated_key_names_itself_and_where_it_stood_first() -> None:
    rows = [
        RawRow(n, {"id": key, "n": n}, file=file) for n, key, file in [(5, "a", "x.csv"), (2, "b", ""), (9, "a", "")]
    ]
    door = Door(PLAIN, batch_rows=1)
    details = [one.detail for found in door.split([rows, raw({"id": "b", "n": 8})]) for one in found.refused]
    assert details == ["id: 'a' is repeated, first at row 5 of x.csv", "id: 'b' is repeated, first at row 2"]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3), st.none() | st.integers(1, 2))), st.integers(1, 5))
def test_the_first_row_of_a_key_or_unique_value_stands(rows: list[tuple[str, int, int | None]], size: int) -> None:
    columns = (*PLAIN.columns, Column(name="code", type="integer", unique=True))
    door = Door(ObjectContract(name="items", columns=columns), batch_rows=size)
    kept: dict[str, tuple[str, int, int | None]] = {}
    expected = []
    for place, row in enumerate(rows, 1):
        taken = {code for _, _, code in kept.values() if code is not None}
        if row[0] not in kept and row[2] not in taken:
            kept[row[0]] = row
            expected.append(place)
    given_rows = raw(*({"id": key, "n": n, "code": code} for key, n, code in rows))
    assert [number for found in door.split([given_rows]) for number in found.numbers] == expected


def results(door: Door) -> dict[str, tuple[int, int, bool]]:
    return {one.rule_id: (one.rows, one.broken, one.passed) for one in door.results()}


def test_every_rule_has_a_result_with_rows_judged_and_broken(tmp_path: Path) -> None:
    door = Door(items(tmp_path, ID, SIZE, KIND), batch_rows=2)
    bad: list[dict[str, object]] = [{"item_id": 1, "size": "x"}, {"item_id": 1, "size": 0}, {"item_id": 1, "kind": "c"}]
    list(door.split([[*raw(*bad, {"item_id": 1}, {"item_id": 1, "size": 4}), RawRow(9, {}, "torn", "{")]]))
    assert results(door) == {
        "item_id.type": (5, 0, True),
        "size.type": (5, 1, False),
        "kind.type": (5, 0, True),
        "item_id.unique": (2, 1, False),
        "item_id.required": (5, 0, True),
        "size.minimum": (5, 1, False),
        "kind-invalidValues-0": (5, 1, False),
    }
    assert door.record(name="catalogue", source="f").rules == door.results()


def test_results_show_a_few_values_that_break_the_rule(tmp_path: Path) -> None:
    door = Door(items(tmp_path, ID, NAME, SIZE))
    list(
        door.split(
            [raw(*({"item_id": n, "name": f"long name {n % 7}" + "x" * 99, "size": f"{n}?"} for n in range(50)))]
        )
    )
    shown = {one.rule_id: one.examples for one in door.results()}
    assert shown["size.type"] == ("'0?'", "'1?'", "'2?'", "'3?'", "'4?'")
    assert len(shown["name.maxLength"]) == 5
    assert max(map(len, shown["name.maxLength"])) == 43


def test_results_of_rules_on_the_set_follow_when_it_is_whole(tmp_path: Path) -> None:
    door = Door(items(tmp_path, ID, quality=("id: many, metric: rowCount, mustBeGreaterThan: 5",)))
    pq.write_table(pa.concat_tables(one.accepted for one in door.split([raw({"item_id": 1})])), tmp_path / "a.parquet")
    assert "many" not in results(door)
    door.finish(str(tmp_path / "a.parquet"))
    (many,) = [one for one in door.results() if one.rule_id == "many"]
    assert (many.rows, many.broken, many.passed, many.examples, many.words) == (1, 1, False, ("1",), "rowCount > 5")


@pytest.mark.parametrize(("mostly", "passed"), [(0.5, True), (0.6, False)])
@pytest.mark.parametrize("name", ["values_to_be_between", "values_to_be_in_set"])
def test_rules_on_most_rows_are_counted_as_they_come(tmp_path: Path, name: str, mostly: float, *, passed: bool) -> None:
    arguments = "min_value: 3" if name.endswith("between") else "value_set: [3, 4.0]"
    kwargs = f"{{type: expect_column_{name}, kwargs: {{{arguments}, mostly: {mostly}}}}}"
    rule = f"{{id: most, type: custom, engine: greatExpectations, implementation: {kwargs}}}"
    door = Door(items(tmp_path, ID, "name: size, logicalType: number, quality: [" + rule + "]"), batch_rows=2)
    sizes = [1, 2, None, 3, 4, None, None]
    found = door.split([raw(*({"item_id": n, "size": size} for n, size in enumerate(sizes)))])
    pq.write_table(pa.concat_tables(one.accepted for one in found), tmp_path / "a.parquet")
    (gate,) = door.finish(str(tmp_path / "a.parquet"))
    assert (gate.gate_id, gate.value, gate.passed, gate.level) == ("most", 0.5, passed, "block")


def test_what_came_before_the_door_is_recorded_with_it() -> None:
    door = Door(PLAIN)
    list(door.split([raw({"id": "1"})]))
    arrival = Arrival(read=5, folded=3, withheld=1, cleaned={"trim": 2})
    record = door.record(name="catalogue", source="f", arrival=arrival)
    assert (record.rows, record.read, record.folded, record.withheld, record.cleaned) == (2, 5, 3, 1, {"trim": 2})


LABELLED = ObjectContract(
    name="items",
    columns=(
        Column(name="id", type="string", required=True, key=True),
        Column(name="text", type="string", required=True),
    ),
    row_rules=tuple(
        Expectation(
            rule_id=name,
            level="block",
            column=name,
            name="expect_column_values_to_not_be_null",
            kwargs={"column": name},
            reason=f"{name}: missing",
        )
        for name in ("id", "text")
    ),
)
Pairs = st.tuples(
    st.sampled_from(["1", "2", "", None]), st.sampled_from(["a", "b", " ", None]), st.booleans(), st.booleans()
)


@settings(deadline=None)
@given(st.lists(Pairs, max_size=12), st.integers(1, 7))
def test_every_row_ends_in_one_place_however_batches_are_cut(
    cells: list[tuple[str, str, bool, bool]], size: int
) -> None:
    rows = [
        RawRow(
            n, {} if torn else {"id": key, "text": text}, "torn" if torn else "", complaints=(("id", "id: odd"),) * odd
        )
        for n, (key, text, torn, odd) in enumerate(cells, 1)
    ]

    def places(batch_rows: int) -> tuple[list[int], list[int], list[int], int]:
        door = Door(LABELLED, batch_rows=batch_rows, set_aside="text")
        found = list(door.split([rows]))
        record = door.record(name="corpus", source="f")
        assert record.rows == record.accepted + record.quarantined + record.repeated + record.unlabelled == len(rows)
        accepted = [number for one in found for number in one.numbers]
        aside = [row.number for one in found for row in one.unlabelled_rows]
        return accepted, [row.number for one in found for row in one.refused], aside, record.repeated

    accepted, refused, aside, repeated = places(size)
    assert (accepted, refused, aside, repeated) == places(1000)
    assert len({*accepted, *refused, *aside}) == len(rows) - repeated
