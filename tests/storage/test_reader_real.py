"""The public suites of dirty files: equal to their clean version, or refused for a reason that is listed here."""

import csv
import json
import tarfile
from pathlib import Path

import pytest
from reader_files import broken_in, refusal_of, rows_of, said_of, values_of

from aigc_core.contracts.schema import RawRow
from aigc_core.errors import SourceInvalid
from aigc_core.storage.sources import read_source

pytestmark = pytest.mark.real

SPECTRUM_EXCEPTIONS = {
    "newlines_crlf": "a line end inside a cell is kept as it stands, its JSON has another",
    "location_coordinates": "its JSON has another telephone number than its CSV",
}
POLLOCK_EXCEPTIONS = {
    "file_header_multirow_2": "names are not doubled where the second line repeats the first",
    "file_header_multirow_3": "names are not doubled where further lines repeat the first",
    "file_no_header": "columns get names, the clean version has none",
    "file_header_only": "refused: a header and no rows",
    "file_no_payload": "refused: empty",
    "file_multitable_same": "the second table has the same columns: its rows count, its header is refused",
    "file_field_delimiter_0x20": "cells hold the delimiter without quotes: such rows are refused",
    "file_quotation_char_0x27": "quotes are doubled that are not the quote: they are kept as written",
    "row_field_delimiter_10_0x20": "one row has another delimiter: it is refused",
    "row_less_sep_row0_col1": "refused: which two names of the header were joined cannot be known",
    "row_less_sep_row0_col2": "refused: which two names of the header were joined cannot be known",
}
REFUSED = {
    "file_header_only": "has no rows",
    "file_no_payload": "is empty",
    "row_less_sep_row0_col1": "line 1 looks like a header of 8 names, but the rows have 9 cells",
    "row_less_sep_row0_col2": "line 1 looks like a header of 8 names, but the rows have 9 cells",
}


@pytest.fixture(scope="module")
def suites(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The suites, unpacked."""
    folder = tmp_path_factory.mktemp("suites")
    for name in ("csv_spectrum", "pollock_polluted", "json_test_suite_a"):
        with tarfile.open(real_data / "dirty" / f"{name}.tar.gz") as packed:
            packed.extractall(folder, filter="data")
    return folder


def polluted(suites: Path, kind: str) -> tuple[Path, list[list[str]]]:
    """A polluted file and what is in its clean version."""
    folder = suites / "polluted_files"
    with (folder / "clean" / f"{kind}.csv").open(newline="") as clean:
        return folder / "csv" / f"{kind}.csv", list(csv.reader(clean))


def table(path: Path) -> list[list[str]]:
    found = values_of(path)
    return [list(found[0]), *([str(cell) for cell in row.values()] for row in found)]


def test_csv_spectrum_equals_its_clean_version(suites: Path) -> None:
    files = sorted((suites / "csvs").glob("*.csv"))
    differing = {
        path.stem
        for path in files
        if values_of(path) != _as_list(json.loads((suites / "json" / f"{path.stem}.json").read_text("utf-8")))
    }
    assert len(files) == 12
    assert differing == set(SPECTRUM_EXCEPTIONS)


def _as_list(found: object) -> object:
    return found if isinstance(found, list) else [found]


def test_pollock_equals_its_clean_version(suites: Path) -> None:
    kinds = sorted(path.stem for path in (suites / "polluted_files" / "csv").glob("*.csv"))
    differing = set()
    for kind in set(kinds) - set(REFUSED):
        path, clean = polluted(suites, kind)
        if table(path) != clean:
            differing.add(kind)
    assert len(kinds) == 30
    assert differing | set(REFUSED) == set(POLLOCK_EXCEPTIONS)


@pytest.mark.parametrize(("kind", "why"), REFUSED.items())
def test_what_pollock_leaves_unclear_is_refused(suites: Path, kind: str, why: str) -> None:
    assert why in refusal_of(polluted(suites, kind)[0])


@pytest.mark.parametrize("kind", ["file_header_multirow_2", "file_header_multirow_3", "file_no_header"])
def test_rows_are_equal_where_names_are_not(suites: Path, kind: str) -> None:
    path, clean = polluted(suites, kind)
    assert table(path)[1:] == clean[1 if kind != "file_no_header" else 0 :]


@pytest.mark.parametrize("kind", ["file_field_delimiter_0x20", "row_field_delimiter_10_0x20"])
def test_rows_that_cannot_be_taken_apart_are_refused_not_misread(suites: Path, kind: str) -> None:
    path, clean = polluted(suites, kind)
    rows = rows_of(path)
    assert all([str(cell) for cell in row.values.values()] in clean for row in rows if not row.error)
    assert len(rows) == len(clean) - 1


def test_json_suite_gives_rows_or_one_clear_error(suites: Path) -> None:
    files = sorted([*(suites / "test_parsing").glob("*.json"), *(suites / "test_transform").glob("*.json")])
    outcome = {path.name: _outcome(path) for path in files}
    assert len(outcome) > 150
    assert [
        name for name, rows in outcome.items() if name.startswith("n_") and any(not row.error for row in rows)
    ] == []
    objects = [name for name in outcome if name.startswith("y_object") and "duplicated" not in name]
    assert all(len(outcome[name]) == 1 and not outcome[name][0].error for name in objects)


def _outcome(path: Path) -> list[RawRow]:
    try:
        return [row for batch in read_source(str(path)) for row in batch]
    except SourceInvalid as refused:
        assert str(path) in str(refused)  # noqa: PT017 -- both outcomes are right, each in its form
        return []


def test_naughty_strings_are_kept(real_data: Path) -> None:
    path = real_data / "dirty" / "blns.txt"
    lines = [line for line in path.read_bytes().decode("utf-8").split("\n") if line]
    assert [row.values.get("text", row.raw.rstrip("\n")) for row in rows_of(path)] == lines
    for name in ("blns.json", "blns.base64.json"):
        assert "row 1: not a JSON object but a string" in refusal_of(real_data / "dirty" / name)


def test_gbk_is_detected_and_equals_its_text(real_data: Path) -> None:
    path = real_data / "dirty" / "advertisegen_300_gbk.jsonl"
    expected = [json.loads(line) for line in path.read_bytes().decode("gbk").splitlines()]
    assert values_of(path) == expected
    assert (said_of(path).encoding, "everyday Chinese" in said_of(path).encoding_basis) == ("gb18030", True)


def test_odd_parquet_is_read(real_data: Path) -> None:
    odd = [path for path in (real_data / "dirty" / "parquet_odd").glob("*.parquet") if "corrupt" not in path.name]
    assert len(odd) == 14
    assert all(rows_of(path) and not broken_in(path) for path in odd)


def test_odd_decimals_are_exact(real_data: Path) -> None:
    for name in ("byte_array_decimal", "fixed_length_decimal_legacy"):
        found = [row["value"] for row in values_of(real_data / "dirty" / "parquet_odd" / f"{name}.parquet")]
        assert found == [f"{number}.00" for number in range(1, 25)]


def test_a_shop_export_keeps_its_lines(real_data: Path) -> None:
    for path in sorted((real_data / "catalogue").glob("shopify_*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            expected = list(csv.DictReader(file))
        assert values_of(path) == expected
