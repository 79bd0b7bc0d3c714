from pathlib import Path

import numpy as np
import pytest

from aigc_core.storage import indexes
from aigc_core.storage.indexes import FIRST, BandIndex, PairSpill, TextFile, spilling_database


def _index(folder: Path, hashes: list[list[int]], *, sketches: list[int] | None = None) -> BandIndex:
    rows = len(hashes)
    index = BandIndex(folder, rows=rows, bands=len(hashes[0]))
    words = np.array([[sketch, 0] for sketch in sketches or [0] * rows], np.uint64)
    index.add(np.arange(rows), np.array(hashes, np.uint64), words)
    return index


def _pairs(index: BandIndex, agree: int = 0) -> set[tuple[int, int]]:
    return {pair for one, other in index.pairs(agree=agree) for pair in zip(one.tolist(), other.tolist(), strict=True)}


def test_rows_that_agree_in_a_band_meet(tmp_path: Path) -> None:
    assert _pairs(_index(tmp_path, [[1, 5], [2, 6], [1, 7], [3, 6]])) == {(0, 2), (1, 3)}


def test_rows_whose_sketches_differ_do_not(tmp_path: Path) -> None:
    index = _index(tmp_path, [[1], [1], [1]], sketches=[0, 0b1, 0b111])
    assert _pairs(index, agree=126) == {(0, 1), (1, 2)}


def test_rows_may_come_in_any_order(tmp_path: Path) -> None:
    index = BandIndex(tmp_path, rows=3, bands=1)
    for place, value in ((2, 9), (0, 9), (1, 4)):
        index.add(np.array([place]), np.array([[value]], np.uint64), np.zeros((1, 2), np.uint64))
    assert _pairs(index) == {(0, 2)}


def test_a_small_bucket_is_compared_whole(tmp_path: Path) -> None:
    rows = FIRST + 1
    assert len(_pairs(_index(tmp_path, [[7]] * rows))) == rows * (rows - 1) // 2


def test_a_large_bucket_costs_a_line_and_meets_its_first(tmp_path: Path) -> None:
    rows = 5000
    pairs = _pairs(_index(tmp_path, [[7]] * rows))
    assert len(pairs) <= rows * (indexes.FIRST + indexes.BESIDE)
    assert {(0, row) for row in range(1, rows)} <= pairs


def test_alike_rows_meet_in_a_large_bucket(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 2**63, 2000).tolist()
    noise[1999] = noise[1000]
    assert (1000, 1999) in _pairs(_index(tmp_path, [[7]] * 2000, sketches=noise), agree=128)


def test_parts_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = np.random.default_rng(2).integers(0, 50, (200, 2)).tolist()
    whole = _pairs(_index(tmp_path / "whole", hashes))
    monkeypatch.setattr(indexes, "PART_ROWS", 30)
    assert _pairs(_index(tmp_path / "parts", hashes)) == whole


def test_an_empty_index_has_no_pairs(tmp_path: Path) -> None:
    assert list(BandIndex(tmp_path, rows=0, bands=2).pairs(agree=0)) == []


def test_the_database_keeps_within_its_memory_and_folder(tmp_path: Path) -> None:
    with spilling_database(tmp_path / "scratch", memory_mb=64) as database:
        database.execute("CREATE TABLE big AS SELECT range AS n, repeat('x', 100) || range AS s FROM range(1000000)")
        top = database.execute("SELECT s FROM (SELECT s, row_number() OVER (ORDER BY s) AS r FROM big) WHERE r = 1")
        assert top.fetchone()[0].endswith("x0")


def test_spilled_pairs_come_back_in_order_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexes, "SPAN", 3)
    spill = PairSpill(tmp_path, rows=8)
    spill.add(np.array([1, 0, 1, 6]), np.array([7, 2, 7, 7]))
    spill.add(np.array([0, 1]), np.array([7, 7]))
    spans = [list(zip(one.tolist(), other.tolist(), strict=True)) for one, other in spill.spans()]
    assert spans == [[(0, 2)], [], [(0, 7), (1, 7), (6, 7)]]


def test_texts_are_read_back_by_number(tmp_path: Path) -> None:
    texts = TextFile(tmp_path / "texts", rows=4)
    texts.add(np.array([3, 0]), ["杯", "mug"])
    texts.add(np.array([2]), ["\ud800"])
    assert texts.read(np.array([0, 2, 3, 1])) == ["mug", "\ud800", "杯", ""]
    texts.close()
