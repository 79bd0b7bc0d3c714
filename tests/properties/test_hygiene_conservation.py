"""Whatever texts come, every pair ends kept or refused, once."""

import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_core.contracts.hygiene import Hygiene
from aigc_core.corpus.hygiene import inspect_pairs
from aigc_core.storage.intake import HELD

ATTRIBUTES = pa.list_(pa.struct([("name", pa.string()), ("value", pa.string())]))
NAMES = ("item_id", "product_group", "locale", "text", "category", "licence", "source", "raw")
SCHEMA = pa.schema([("number", pa.int64()), *((name, pa.string()) for name in NAMES), ("attributes", ATTRIBUTES)])
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
LIKELY = st.sampled_from(["", "A blue mug.", "Write to a@b.com", "一个蓝色的马克杯。", "国家级", "\U0001f600" * 3])
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "text": ANY_TEXT | LIKELY,
            "product_group": st.sampled_from("12"),
            "locale": st.sampled_from(["en", "zh", "zh-Hans", "de"]),
            "licence": st.sampled_from([None, "MIT", "x"]),
            "raw": st.none() | ANY_TEXT,
        }
    ),
    max_size=8,
)


@settings(max_examples=40, deadline=None)
@given(rows=ROWS)
def test_rows_in_are_rows_out(rows: list[dict[str, object]]) -> None:
    filled = [{"number": at, "item_id": f"i{at}", "attributes": [], **row} for at, row in enumerate(rows)]
    with tempfile.TemporaryDirectory() as folder:
        candidates, kept, refused, scratch = (Path(folder) / name for name in ("candidates", "kept", "refused", "s"))
        pq.write_table(pa.Table.from_pylist(filled, schema=SCHEMA), candidates)
        rules = Hygiene.model_validate({"licence": {"column": "licence"}})
        report = inspect_pairs(candidates, kept, refused, rules, scratch=scratch)
        stays, goes = pq.read_table(kept), pq.read_table(refused)
    assert sorted(stays["number"].to_pylist() + goes["number"].to_pylist()) == list(range(len(rows)))
    assert goes.schema == HELD
    assert (report.kept, report.refused) == (stays.num_rows, goes.num_rows)
    assert sum(report.reasons.values()) == report.refused
