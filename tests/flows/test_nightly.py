"""The real nightly flow on the shipped sample: once, again, changed, blocked."""

import gzip
import json
from pathlib import Path

import pytest
from nights import LIMIT, LINE, SHELF, FirstNight, LineCopy, ask, one_night

from aigc_core.errors import AuditBlocked
from aigc_core.workspace import REPOSITORY, finished_run, open_workspace
from flows.nightly import nightly

SAMPLE = REPOSITORY / "data_contracts" / LINE / "sample" / "catalogue.jsonl.gz"


def changed_sample(lake: Path, path: Path) -> tuple[str, Path]:
    """The sample with another weight for one published item; the item's id and the new file."""
    published = min(row["item_id"] for row in ask(lake, f"FROM {SHELF}"))
    rows = [json.loads(line) for line in gzip.decompress(SAMPLE.read_bytes()).splitlines()]
    for row in rows:
        if row.get("sku") == published:
            row["weight_g"] += 1
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return published, path


def test_published_rows_can_be_asked_about(first_night: FirstNight) -> None:
    rows = ask(first_night.lake, f"FROM {SHELF}")
    assert first_night.summary.requests == 2 * LIMIT
    assert len(rows) == first_night.summary.states["published"]
    assert len({row["item_id"] for row in rows}) == LIMIT


def test_states_add_up_to_requests(first_night: FirstNight) -> None:
    found = ask(first_night.lake, "SELECT state, count(*)::INT AS n FROM outcomes GROUP BY state")
    nonzero = {state: count for state, count in first_night.summary.states.items() if count}
    assert {row["state"]: row["n"] for row in found} == nonzero
    assert sum(first_night.summary.states.values()) == first_night.summary.requests


def test_second_night_generates_nothing(lake_copy: Path, first_night: FirstNight) -> None:
    again = one_night(lake_copy, date="2026-11-02")
    assert again.attempts == {}
    assert again.edition is None
    assert again.states["unchanged"] == first_night.summary.requests
    assert again.planned == {"published before": first_night.summary.requests}


def test_only_the_changed_item_is_written_again(lake_copy: Path, tmp_path: Path) -> None:
    item, source = changed_sample(lake_copy, tmp_path / "changed.jsonl")
    others = f"SELECT * FROM {SHELF} WHERE item_id <> '{item}' ORDER BY ALL"  # noqa: S608 -- our own id
    before = ask(lake_copy, others)
    again = one_night(lake_copy, source=source)
    written = ask(lake_copy, "SELECT item_id, locale FROM outcomes WHERE attempts > 0 AND why = 'attributes changed'")
    assert again.planned == {"attributes changed": 2, "published before": 2 * LIMIT - 2}
    assert again.edition == 2
    assert {(row["item_id"], row["locale"]) for row in written} == {(item, "en"), (item, "zh")}
    assert ask(lake_copy, others) == before


def test_blocked_night_publishes_nothing_and_reports(line_copy: LineCopy, tmp_path: Path, prefect_server: str) -> None:
    line_copy({"publish.max_reject_share": 0, "checks.Q-L7.limits.zh.min_chars": 150})
    lake = tmp_path / "lake"
    with pytest.raises(
        AuditBlocked, match=r"H-2.*Nothing was published; the shelf is as it was\..*aigc show"
    ) as blocked:
        one_night(lake)
    summary = finished_run(open_workspace(str(lake)), blocked.value.run_id)
    assert summary.blocked
    assert summary.states["published"] == 0
    assert "blocked" in Path(summary.report).read_text("utf-8").lower()
    assert not (lake / "published").exists()


def test_limit_zero_is_refused(prefect_server: str, tmp_path: Path) -> None:
    from prefect.exceptions import ParameterTypeError

    with pytest.raises(ParameterTypeError, match="greater than or equal to 1"):
        nightly(line=LINE, lake=str(tmp_path / "lake"), limit=0, engine="template")
    assert not (tmp_path / "lake").exists()
