"""A limited night draws what a plain sort of the whole catalogue would draw, however the catalogue comes."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_core.contracts.content_line import ContentLine
from aigc_core.generation import drawing
from aigc_core.generation.drawing import Smallest, draw, drawn
from aigc_core.storage.files import read_table, write_table
from aigc_core.storage.groups import GroupSet, is_held_out

pytest_plugins = ("shop_fixtures",)

PAIRS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 40)), max_size=12, unique_by=lambda pair: pair[1])
"""(key, position): few keys, so that most tie."""


@given(batches=st.lists(PAIRS, max_size=8), limit=st.integers(1, 30))
def test_the_smallest_are_those_of_a_plain_sort(batches: list[list[tuple[int, int]]], limit: int) -> None:
    smallest = Smallest(limit)
    for batch in batches:
        pairs = np.array(batch, np.int64).reshape(-1, 2)
        smallest.add(pairs[:, 0], pairs[:, 1])
    every = sorted(pair for batch in batches for pair in batch)
    assert smallest.positions().tolist() == [position for _, position in every[:limit]]


def plainly(line: ContentLine, groups: list[str], limit: int) -> list[int]:
    """Positions drawn by a sort of everything."""
    share = line.recipe.model.training.held_out_share
    ranked = sorted(
        (not is_held_out(line.name, group, share), GroupSet.hash_of(group), position)
        for position, group in enumerate(groups)
    )
    return [position for *_, position in ranked[:limit]]


@settings(max_examples=60, deadline=None)
@given(
    groups=st.lists(st.integers(0, 9), min_size=1, max_size=40), limit=st.integers(1, 45), together=st.integers(1, 9)
)
def test_a_draw_is_the_beginning_of_a_plain_sort(
    line: ContentLine, groups: list[int], limit: int, together: int
) -> None:
    """Few groups, so that items of one group tie and a limit cuts through a group."""
    names = [f"G-{group}" for group in groups]
    with TemporaryDirectory() as home, pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "TOGETHER", together)
        catalogue = Path(home) / "catalogue.parquet"
        write_table(catalogue, pa.table({"position": pa.array(range(len(names))), "product_group": names}))
        chosen = plainly(line, names, limit)
        assert draw(str(catalogue), line.recipe, limit).tolist() == chosen
        smaller = read_table(Path(drawn(str(catalogue), line.recipe, limit, Path(home) / "requests.parquet")))
        assert smaller["position"].to_pylist() == sorted(chosen)
        assert smaller["product_group"].to_pylist() == [names[position] for position in sorted(chosen)]
