"""One SELECT over what is there; everything else is refused in words."""

from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from aigc_core.catalog.query import Limits, run_query
from aigc_core.errors import QueryRefused

SHELF = {"shelf": pa.table({"item_id": ["a", "b", "c"], "n": [1, 2, 3]})}
ENDLESS = "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b"


def test_a_select_answers() -> None:
    answer = run_query("SELECT item_id FROM shelf WHERE n > 1 ORDER BY n DESC", SHELF)
    assert (answer.rows.to_pydict(), answer.truncated) == ({"item_id": ["c", "b"]}, False)


@pytest.mark.parametrize(
    "sql",
    [
        "WITH x AS (SELECT 1 AS one) SELECT one FROM x",
        "SELECT count(*) FROM shelf -- a comment",
        "SELECT 1;",
        "FROM shelf",
    ],
)
def test_any_one_select_is_accepted(sql: str) -> None:
    assert run_query(sql, SHELF).rows.num_rows > 0


@pytest.mark.parametrize(
    ("sql", "came"),
    [
        ("", "nothing"),
        ("SELECT 1; SELECT 2", "SELECT, SELECT"),
        ("SELECT 1; DROP TABLE shelf", "SELECT, DROP"),
        ("CREATE TABLE x AS SELECT 1", "CREATE"),
        ("DROP VIEW shelf", "DROP"),
        ("DELETE FROM shelf", "DELETE"),
        ("INSERT INTO shelf VALUES ('d', 4)", "INSERT"),
        ("UPDATE shelf SET n = 0", "UPDATE"),
        ("COPY shelf TO 'out.csv'", "COPY"),
        ("ATTACH 'other.db'", "ATTACH"),
        ("INSTALL httpfs", "LOAD"),
        ("LOAD httpfs", "LOAD"),
        ("SET enable_external_access = true", "SET"),
        ("EXPLAIN SELECT 1", "EXPLAIN"),
        ("CALL pragma_version()", "CALL"),
        ("EXPORT DATABASE 'out'", "EXPORT"),
    ],
)
def test_anything_else_is_refused(sql: str, came: str) -> None:
    with pytest.raises(QueryRefused, match=rf"Came: {came}.*\. Exactly one SELECT is accepted; the shelf is read-only"):
        run_query(sql, SHELF)


@pytest.mark.parametrize("function", ["read_parquet", "read_csv", "read_text", "read_blob", "read_json"])
def test_files_are_out_of_reach(tmp_path: Path, function: str) -> None:
    path = tmp_path / "secret.txt"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(QueryRefused, match=r"The query failed: .*disabled.* Tables are: shelf\."):
        run_query(f"SELECT * FROM {function}('{path}')", SHELF)  # noqa: S608 -- what is tried


def test_a_path_in_place_of_a_table_is_out_of_reach(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
    with pytest.raises(QueryRefused, match="The query failed: "):
        run_query(f"SELECT * FROM '{tmp_path}/secret.csv'", SHELF)  # noqa: S608 -- what is tried


def test_variables_of_this_program_are_out_of_reach() -> None:
    secret = pa.table({"n": [1]})
    assert secret.num_rows == 1
    with pytest.raises(QueryRefused, match="Table with name secret does not exist"):
        run_query("SELECT * FROM secret", SHELF)


def test_the_environment_is_out_of_reach() -> None:
    with pytest.raises(QueryRefused, match=r"The query failed: .*getenv"):
        run_query("SELECT getenv('HOME')", SHELF)


def test_an_error_names_the_tables_there_are() -> None:
    with pytest.raises(QueryRefused, match=r'Referenced column "m" not found .* Tables are: shelf\.'):
        run_query("SELECT m FROM shelf", SHELF)
    with pytest.raises(QueryRefused, match="Tables are: none yet: run a night first"):
        run_query("SELECT m FROM shelf", {})


@pytest.mark.parametrize(("rows", "returned", "truncated"), [(2, 2, True), (3, 3, False), (4, 3, False)])
def test_rows_are_capped_and_the_cut_is_told(rows: int, returned: int, truncated: bool) -> None:  # noqa: FBT001
    answer = run_query("SELECT * FROM shelf", SHELF, Limits(rows=rows))
    assert (answer.rows.num_rows, answer.truncated) == (returned, truncated)


def test_a_query_without_end_is_stopped() -> None:
    with pytest.raises(QueryRefused, match=r"took more than 0\.2 s and was stopped"):
        run_query(ENDLESS, SHELF, Limits(seconds=0.2))


def test_a_dataset_is_asked_like_a_table(tmp_path: Path) -> None:
    ds.write_dataset(SHELF["shelf"], tmp_path / "shelf", format="parquet")
    found = run_query("SELECT max(n) AS most FROM shelf", {"shelf": ds.dataset(tmp_path / "shelf", format="parquet")})
    assert found.rows.to_pylist() == [{"most": 3}]


def test_no_query_leaves_anything_behind() -> None:
    run_query("SELECT 1", SHELF)
    with pytest.raises(QueryRefused, match="Table with name shelf does not exist"):
        run_query("SELECT * FROM shelf", {})
