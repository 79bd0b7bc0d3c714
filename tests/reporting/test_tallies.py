from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aigc_core.errors import IntegrityBroken
from aigc_core.reporting import tallies


@pytest.fixture
def texts(tmp_path: Path) -> list[str]:
    rows = {
        "locale": ["en", "en", "zh", "zh", "en"],
        "text": ["four", "sixsix", "三个字", "", None],
        "share": [0.0, 1.0, 0.5, float("nan"), None],
        "same": [2.0] * 5,
        "never": pa.array([None] * 5, pa.float64()),
        "count": pa.array([1, 2, 3, 4, 5], pa.int32()),
    }
    table = pa.table(rows)
    paths = [str(tmp_path / f"{n}.parquet") for n in range(2)]
    for n, path in enumerate(paths):
        pq.write_table(table.slice(3 * n, 3), path)
    return paths


def test_lengths_are_characters_by_locale_over_all_files(texts: list[str]) -> None:
    en, zh = tallies.text_lengths(texts)
    assert (en.name, en.rows, en.least, en.most, en.mean, en.median) == ("en", 2, 4, 6, 5.0, 4.0)
    assert (zh.name, zh.rows, zh.counts, zh.low, zh.high) == ("zh", 1, (1,), 3, 4)


def test_scores_skip_what_is_not_a_finite_number(texts: list[str]) -> None:
    same, share = tallies.scores(texts)
    assert (same.name, same.low, same.high, same.rows) == ("same", 2.0, 2.0, 5)
    assert (share.name, share.rows, share.mean, share.low, share.high) == ("share", 3, 0.5, 0.0, 1.0)
    assert share.median == pytest.approx(0.5, abs=1 / tallies.BINS)


def test_bins_of_long_texts_are_few_equal_and_lose_nobody(tmp_path: Path) -> None:
    path = str(tmp_path / "long.parquet")
    lengths = [*range(100, 1000, 7), 20_000]
    pq.write_table(pa.table({"locale": ["en"] * len(lengths), "text": ["x" * n for n in lengths]}), path)
    (spread,) = tallies.text_lengths([path])
    assert spread.rows == len(lengths)
    assert len(spread.counts) <= tallies.BINS + 1
    assert spread.most == tallies.LONGEST
    assert spread.low <= 100


def test_groups_are_counted_as_text_and_nulls_as_empty(texts: list[str]) -> None:
    assert tallies.count_groups(texts, ["locale"]) == {("en",): 3, ("zh",): 2}
    assert tallies.count_groups(texts, ["text"])[("",)] == 2


def test_too_many_groups_are_counted_together(tmp_path: Path) -> None:
    path, rows = str(tmp_path / "many.parquet"), tallies.MOST_GROUPS + 500
    pq.write_table(pa.table({"reason": [f"reason {n}" for n in range(rows)]}), path)
    counts = tallies.count_groups([path], ["reason"])
    assert sum(counts.values()) == rows
    assert counts[(tallies.OTHERS,)] == 500


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 and no more")
    for name in ("torn.parquet", "missing.parquet"):
        with pytest.raises(IntegrityBroken, match=f"{name} cannot be read back"):
            tallies.rows_in([str(tmp_path / name)])


def test_no_files_make_no_numbers() -> None:
    assert (tallies.rows_in([]), tallies.scores([]), tallies.text_lengths([])) == (0, (), ())
