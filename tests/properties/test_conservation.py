"""Whatever becomes of the texts, every request ends in exactly one state."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shop import LINE, Made, Shop

from aigc_core.catalog.outcomes import Occasion, keep_rejects, write_outcomes
from aigc_core.catalog.publish import Shelf, publish, published_schema
from aigc_core.errors import ConservationBroken
from aigc_core.records import AuditReport, Edition
from aigc_core.storage.delta import Table
from aigc_core.storage.files import ParquetSink, sha256_of

pytest_plugins = ("shop_fixtures",)

DECIDED = ("published", "rejected", "quarantined", "duplicate", "failed")
OCCASION = Occasion(line=LINE, run_id="run-1", date="2026-01-01")
PATTERNS = st.lists(st.sampled_from(DECIDED), min_size=20, max_size=20)


def decided(made: Made, states: list[str], folder: Path) -> AuditReport:
    """The report of an audit that decided so, row by row."""
    folder.mkdir(parents=True, exist_ok=True)
    path, left = folder / "decisions.parquet", list(states)
    source = pq.ParquetFile(made.report.decisions)
    with ParquetSink(path, source.schema_arrow) as sink:
        for group in range(source.num_row_groups):
            table = source.read_row_group(group)
            mine, left = left[: table.num_rows], left[table.num_rows :]
            where = table.schema.get_field_index("state")
            sink.write(table.set_column(where, table.schema.field("state"), pa.array(mine)))
    counts = dict(Counter(states))
    return replace(made.report, decisions=str(path), decisions_sha256=sha256_of(path), states=counts)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(states=PATTERNS)
def test_outcomes_add_up_for_any_decisions(mixed: Made, tmp_path: Path, states: list[str]) -> None:
    report = decided(mixed, states, tmp_path)
    edition = Edition(run_id="run-1", table="t", version=1, published=states.count("published"))
    outcomes = write_outcomes(mixed.batch, report, edition, OCCASION, tmp_path / "outcomes.parquet")
    assert {state: count for state, count in outcomes.states.items() if count} == Counter(
        [*states, "no_data", "no_data"]
    )
    rows = pq.read_table(outcomes.path).to_pylist()
    assert Counter(row["state"] for row in rows) == Counter([*states, "no_data", "no_data"])


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(states=PATTERNS, number=st.uuids())
def test_shelf_and_rejects_share_the_batch_out(mixed: Made, shop: Shop, states: list[str], number: object) -> None:
    root = shop.root / str(number)
    report, shelf, rejects = decided(mixed, states, root), Table(str(root / "shelf")), Table(str(root / "rejects"))
    schema = published_schema(LINE, shop.line.recipe.label)
    publish(mixed.batch, report, report.require_passed(), Shelf(table=shelf, schema=schema))
    keep_rejects(mixed.batch, report, rejects, decided_at="2026-01-01T00:00:00+00:00")
    found = Counter({"published": shelf.dataset().count_rows()} if shelf.exists() else {})
    found.update(rejects.dataset().to_table()["state"].to_pylist() if rejects.exists() else [])
    assert found == Counter(states)


@pytest.mark.parametrize("missing", [1, 19])
def test_fewer_decisions_than_texts_are_refused(mixed: Made, tmp_path: Path, missing: int) -> None:
    lost = replace(mixed.batch.requests, requests=mixed.batch.requests.requests + missing)
    with pytest.raises(ConservationBroken, match="do not add up to"):
        write_outcomes(replace(mixed.batch, requests=lost), mixed.report, None, OCCASION, tmp_path / "outcomes.parquet")
