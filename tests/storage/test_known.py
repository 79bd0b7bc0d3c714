"""Tonight's items beside what earlier nights decided."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from aigc_core.storage.delta import Table
from aigc_core.storage.files import write_table
from aigc_core.storage.known import DIGESTS, Known

LOCALES = ("zh", "en")


def decision(item_id: str, run_id: str, *, day: int = 1, locale: str = "en", state: str = "rejected") -> dict[str, Any]:
    """One decision of an earlier night."""
    digests = {name: f"{name} of {run_id}" for name in DIGESTS}
    when = datetime(2026, 1, day, tzinfo=UTC)
    said = {"state": state, "reason": f"why {run_id} said so", "decided_at": when}
    return {"item_id": item_id, "locale": locale, "run_id": run_id} | said | digests


@pytest.fixture
def catalogue(tmp_path: Path) -> str:
    """Three items, not in the order of their names."""
    path = tmp_path / "catalogue.parquet"
    write_table(path, pa.table({"position": [0, 1, 2], "item_id": ["c", "a", "b"]}))
    return str(path)


@pytest.fixture
def known(tmp_path: Path) -> Known:
    """Nothing known yet."""
    return Known(Table(str(tmp_path / "published")), Table(str(tmp_path / "rejects")), tmp_path / "scratch")


def fill(table: Table, *decisions: dict[str, Any]) -> None:
    """Decisions as a table."""
    rows = pa.Table.from_pylist(list(decisions))
    table.create(rows.schema, stats=("item_id",))
    table.append_once(lambda: rows, key="all", note={})


def beside(known: Known, catalogue: str, *locales: str) -> list[dict[str, Any]]:
    """All rows of the join."""
    return [row for batch in known.beside(catalogue, locales) for row in batch.to_pylist()]


def test_the_first_night_knows_nothing(known: Known, catalogue: str) -> None:
    found = beside(known, catalogue, *LOCALES)
    assert [(row["item_id"], row["locale"]) for row in found] == [(i, locale) for i in "cab" for locale in LOCALES]
    assert {value for row in found for name, value in row.items() if name.startswith(("published_", "decided_"))} == {
        None
    }


def test_what_was_published_stands_beside_its_item_and_locale(known: Known, catalogue: str) -> None:
    fill(known.published, decision("a", "run-1"), decision("elsewhere", "run-1"))
    found = beside(known, catalogue, *LOCALES)
    known_rows = [(row["item_id"], row["locale"]) for row in found if row["published_run_id"]]
    assert known_rows == [("a", "en")]
    assert found[3]["published_prompt_digest"] == "prompt_digest of run-1"


def test_the_latest_rejection_counts(known: Known, catalogue: str) -> None:
    first, second = decision("b", "run-1", day=1), decision("b", "run-2", day=2, state="failed")
    fill(known.rejects, second, first)
    found = [row for row in beside(known, catalogue, "en") if row["decided_run_id"]]
    decided = ("item_id", "decided_run_id", "decided_state", "decided_reason")
    assert [[row[name] for name in decided] for row in found] == [["b", "run-2", "failed", "why run-2 said so"]]


def test_no_item_comes_twice_when_it_is_both(known: Known, catalogue: str) -> None:
    fill(known.published, decision("a", "run-1"))
    fill(known.rejects, decision("a", "run-2", day=2), decision("a", "run-3", day=2))
    found = beside(known, catalogue, "en")
    assert [row["item_id"] for row in found] == ["c", "a", "b"]
    assert (found[1]["published_run_id"], found[1]["decided_run_id"]) == ("run-1", "run-3")
