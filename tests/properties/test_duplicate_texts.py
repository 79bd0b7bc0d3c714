"""Which rows repeat another's text does not depend on the order in which they come."""

import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_core.checks.duplicates import signature
from aigc_core.checks.near_duplicates import settle
from aigc_core.contracts.hygiene import Duplicates

WORDS = st.sampled_from(["a blue stoneware mug", "with a wide handle", "glazed by hand", "for slow mornings", "马克杯"])
TEXTS = st.lists(WORDS, min_size=1, max_size=6).map(", ".join)
ROWS = st.lists(st.tuples(st.sampled_from("123"), st.sampled_from(["en", "zh"]), TEXTS), min_size=1, max_size=12)


def _refused(rows: list[tuple[str, str, str, str]]) -> dict[tuple[str, str], tuple[str, bool, str]]:
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder) / "scratch"
        scratch.mkdir()
        names = ("item_id", "product_group", "locale", "text")
        table = pa.table({name: [row[at] for row in rows] for at, name in enumerate(names)})
        table = table.append_column("position", pa.array(range(len(rows)), pa.int64()))
        signatures = [signature(row[3], locale=row[2]) for row in rows]
        pq.write_table(
            table.append_column("signature", pa.array(signatures, pa.binary(16))), Path(folder) / "texts.parquet"
        )
        settled = settle(Path(folder) / "texts.parquet", Duplicates(), scratch=scratch)
        marks = pq.read_table(settled.marks).to_pylist()
    return {
        (rows[mark["position"]][0], rows[mark["position"]][2]): (mark["check"], mark["refused"], mark["keeper"])
        for mark in marks
    }


@settings(max_examples=25, deadline=None)
@given(rows=ROWS, data=st.data())
def test_order_changes_nothing(rows: list[tuple[str, str, str]], data: st.DataObject) -> None:
    named = [(f"item-{at:02}", *row) for at, row in enumerate(rows)]
    assert _refused(data.draw(st.permutations(named))) == _refused(named)


@settings(max_examples=25, deadline=None)
@given(rows=ROWS)
def test_every_text_has_an_owner_that_stays(rows: list[tuple[str, str, str]]) -> None:
    named = [(f"item-{at:02}", *row) for at, row in enumerate(rows)]
    found = _refused(named)
    gone = {key for key, (_, refused, _) in found.items() if refused}
    for (item_id, locale), (_, refused, keeper) in found.items():
        assert keeper < item_id
        assert not refused or (keeper, locale) not in gone
