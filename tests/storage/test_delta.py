"""One commit a change, whoever writes and however often."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from deltalake import DeltaTable

from aigc_core.errors import CommitConflict, LakeUnusable
from aigc_core.storage.delta import Commit, Table
from aigc_core.storage.upsert import Change

SCHEMA = pa.schema(
    [
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("locale", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False, metadata={"AIGC": "labelled"}),
    ]
)
KEY = ("item_id", "locale")
UPSERT = """
import sys
import pyarrow as pa
from aigc_core.storage.delta import Table
from aigc_core.storage.upsert import Change
row = {"item_id": "a", "locale": "en", "text": sys.argv[3]}
rows = pa.Table.from_pylist([row])
print("ready", flush=True)
sys.stdin.readline()
commit = Table(sys.argv[1]).upsert_once(Change(rows=lambda: rows, on=("item_id", "locale")), key=sys.argv[2], note={})
print(commit.repeated)
"""


def rows(**texts: str) -> pa.Table:
    """One English row an item."""
    return pa.Table.from_pylist([{"item_id": i, "locale": "en", "text": t} for i, t in texts.items()], schema=SCHEMA)


def upsert(table: Table, key: str, **texts: str) -> Commit:
    """The rows under this key."""
    return table.upsert_once(Change(rows=lambda: rows(**texts), on=KEY), key=key, note={"run_id": key})


def texts_of(table: Table) -> dict[str, str]:
    """Item -> text; fails when an item has two."""
    found = table.dataset().to_table().to_pylist()
    assert len({row["item_id"] for row in found}) == len(found)
    return {row["item_id"]: row["text"] for row in sorted(found, key=lambda row: str(row["item_id"]))}


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """An empty table at version 0."""
    made = Table(str(tmp_path / "deep" / "t"))
    made.create(SCHEMA, stats=("item_id",))
    return made


def test_no_table_is_no_version_and_a_clear_error(tmp_path: Path) -> None:
    table = Table(str(tmp_path / "t"))
    assert (table.exists(), table.version(), table.metadata_of_last_commit()) == (False, None, {})
    with pytest.raises(LakeUnusable, match=r"There is no table at .*/t\."):
        table.dataset()


def test_creating_again_changes_nothing(table: Table) -> None:
    table.create(SCHEMA, stats=())
    assert (table.exists(), table.version()) == (True, 0)


def test_texts_never_enter_the_log_as_statistics(table: Table) -> None:
    upsert(table, "one", a="a secret text")
    log = "".join(path.read_text() for path in Path(table.uri, "_delta_log").glob("*.json"))
    assert '"add":' in log
    assert "a secret text" not in log


def test_appending_under_one_key_twice_is_one_commit(table: Table) -> None:
    first = table.append_once(lambda: rows(a="1"), key="k", note={"n": "1"})
    again = table.append_once(lambda: rows(a="2"), key="k", note={"n": "2"})
    assert (first, again) == (Commit(1, repeated=False), Commit(1, repeated=True))
    assert texts_of(table) == {"a": "1"}
    assert table.metadata_of_last_commit()["n"] == "1"


def test_upserting_updates_what_is_there_and_adds_what_is_not(table: Table) -> None:
    upsert(table, "one", a="1", b="1")
    assert upsert(table, "two", b="2", c="2") == Commit(2, repeated=False)
    assert texts_of(table) == {"a": "1", "b": "2", "c": "2"}


def test_a_pushed_down_filter_finds_its_rows_after_any_commit(table: Table) -> None:
    upsert(table, "one", a="1", b="1")
    table.append_once(lambda: rows(c="2"), key="two", note={})
    upsert(table, "three", b="3")
    found = [table.dataset().to_table(filter=ds.field("item_id") == item)["text"].to_pylist() for item in "abcd"]
    assert found == [["1"], ["3"], ["2"], []]


def test_an_update_leaves_files_without_a_replaced_row_alone(table: Table) -> None:
    upsert(table, "one", a="1")
    upsert(table, "two", b="2")
    before = set(table.dataset().files)
    upsert(table, "three", b="3")
    assert len(before & set(table.dataset().files)) == 1
    assert texts_of(table) == {"a": "1", "b": "3"}


def test_an_update_with_more_columns_adds_them_to_the_table(table: Table) -> None:
    upsert(table, "one", a="1", b="1")
    upsert(table, "two", c="2")
    wider = rows(a="3").append_column("engine", pa.array(["hf"]))
    commit = table.upsert_once(Change(rows=lambda: wider, on=KEY), key="three", note={})
    assert commit == Commit(4, repeated=False)
    found = {row["item_id"]: (row["text"], row["engine"]) for row in table.dataset().to_table().to_pylist()}
    assert found == {"a": ("3", "hf"), "b": ("1", None), "c": ("2", None)}
    assert table.dataset().schema.field("text").metadata == {b"AIGC": b"labelled"}
    again = table.upsert_once(Change(rows=lambda: wider, on=KEY), key="four", note={})
    assert again == Commit(5, repeated=False)


def test_an_old_key_is_still_found_after_other_commits(table: Table) -> None:
    upsert(table, "one", a="1")
    upsert(table, "two", a="2")
    assert upsert(table, "one", a="1") == Commit(1, repeated=True)
    assert texts_of(table) == {"a": "2"}


def test_replacing_puts_all_others_away_but_not_their_history(table: Table) -> None:
    upsert(table, "one", a="1", b="1")
    commit = table.replace_once(lambda: rows(c="2"), key="two", note={})
    assert texts_of(table) == {"c": "2"}
    assert table.dataset(commit.version - 1).count_rows() == 2


def test_the_label_on_a_column_outlives_every_kind_of_commit(table: Table) -> None:
    upsert(table, "one", a="1")
    upsert(table, "two", a="2", b="2")
    table.append_once(lambda: rows(c="3"), key="three", note={})
    assert table.dataset().schema.field("text").metadata == {b"AIGC": b"labelled"}


def test_the_loser_of_a_race_looks_again_and_commits(table: Table) -> None:
    rivals = iter(["rival"])

    def after_a_rival() -> pa.Table:
        for key in rivals:
            upsert(table, key, a="rival")
        return rows(b="mine")

    assert table.append_once(after_a_rival, key="mine", note={}) == Commit(2, repeated=False)
    assert texts_of(table) == {"a": "rival", "b": "mine"}


@pytest.mark.parametrize("item", ["a", "b"])
def test_an_update_that_lost_a_race_keeps_what_the_winner_wrote(table: Table, item: str) -> None:
    upsert(table, "before", a="old", c="kept")
    rivals = iter(["rival"])

    def after_a_rival() -> pa.Table:
        for key in rivals:
            upsert(table, key, a="rival", d="rival")
        return rows(**{item: "mine"})

    commit = table.upsert_once(Change(rows=after_a_rival, on=KEY), key="mine", note={})
    assert commit == Commit(3, repeated=False)
    assert texts_of(table) == {"a": "rival", "c": "kept", "d": "rival"} | {item: "mine"}


def test_who_loses_every_race_says_so(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aigc_core.storage.delta.random.uniform", lambda low, high: low)

    def after_a_rival() -> pa.Table:
        upsert(table, f"rival-{table.version()}", a="rival")
        return rows(b="mine")

    with pytest.raises(CommitConflict, match=r"Other writers were first 8 times .*Run the same command again"):
        table.append_once(after_a_rival, key="mine", note={})
    assert texts_of(table) == {"a": "rival"}


@pytest.mark.parametrize(("keys", "repeated"), [(("k", "k"), 1), (("k", "l"), 0)])
def test_processes_at_once_make_one_commit_a_key(table: Table, keys: tuple[str, str], repeated: int) -> None:
    command = [sys.executable, "-c", UPSERT, table.uri]
    writers = [
        subprocess.Popen([*command, key, key], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for key in keys
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    answers = [writer.communicate("\n")[0].strip() for writer in writers]
    assert answers.count("True") == repeated
    assert table.version() == len(set(keys))
    assert len(texts_of(table)) == 1


def test_a_file_in_place_of_the_lake_is_told(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("not a folder")
    with pytest.raises(LakeUnusable, match=r"The lake cannot be used at .*lake/t: .*It must be a folder"):
        Table(str(tmp_path / "lake" / "t")).create(SCHEMA, stats=())


def test_a_broken_log_is_told(table: Table) -> None:
    log = Path(table.uri, "_delta_log", "00000000000000000000.json")
    log.write_text("{")
    with pytest.raises(LakeUnusable, match=r"The table at .* cannot be used: "):
        table.version()


def test_the_transaction_is_in_the_log(table: Table) -> None:
    upsert(table, "run-1", a="1")
    assert DeltaTable(table.uri).transaction_version("aigc:run-1") == 1
