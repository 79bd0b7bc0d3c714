"""Product groups are split by their names alone."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from aigc_core.storage.groups import GroupSet, is_held_out

NAMES = st.lists(st.text(max_size=8), max_size=30)


@given(NAMES, NAMES)
def test_a_set_of_groups_is_a_set(inside: list[str], asked: list[str]) -> None:
    answers = GroupSet.of(inside).contains([*inside, *asked]).tolist()
    assert answers == [True] * len(inside) + [name in set(inside) for name in asked]


def test_a_set_comes_back_from_its_file(tmp_path: Path) -> None:
    GroupSet.of(["a", "b", "a"]).write(tmp_path / "groups.parquet")
    assert GroupSet.read(tmp_path / "groups.parquet").contains(["a", "b", "c"]).tolist() == [True, True, False]


def test_without_a_file_nothing_was_seen(tmp_path: Path) -> None:
    assert GroupSet.read(tmp_path / "none.parquet").contains(["a"]).tolist() == [False]


def test_the_share_is_kept_and_a_larger_share_keeps_the_smaller() -> None:
    groups = [f"G-{number}" for number in range(4000)]
    small = {group for group in groups if is_held_out("line", group, 0.05)}
    large = {group for group in groups if is_held_out("line", group, 0.2)}
    assert 140 < len(small) < 260
    assert small < large


def test_lines_split_differently() -> None:
    groups = [f"G-{number}" for number in range(200)]
    assert [is_held_out("a", group, 0.5) for group in groups] != [is_held_out("b", group, 0.5) for group in groups]


@given(st.text())
def test_the_place_of_a_group_fits_53_bits(group: str) -> None:
    assert 0 <= GroupSet.hash_of(group) < 2**53
