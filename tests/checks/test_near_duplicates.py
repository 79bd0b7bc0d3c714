from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aigc_core.checks.duplicates import signature
from aigc_core.checks.near_duplicates import (
    Settled,
    bits_in_common,
    hashed,
    jaccards_among,
    settle,
    spec_digest,
    trigrams,
    views,
)
from aigc_core.contracts.hygiene import Duplicates

LONG = "A stoneware mug with a wide handle, glazed by hand and made for slow mornings on the harbour wall. No. {}"
Row = tuple[str, str, str]
"""Item id, product group, text."""


def _settle(folder: Path, rows: Sequence[Row], rules: Duplicates | None = None, locale: str = "en") -> Settled:
    scratch = folder / "scratch"
    scratch.mkdir()
    table = pa.table(
        {
            "position": pa.array(range(len(rows)), pa.int64()),
            "item_id": [row[0] for row in rows],
            "product_group": [row[1] for row in rows],
            "locale": [locale] * len(rows),
            "text": [row[2] for row in rows],
            "signature": pa.array([signature(row[2], locale=locale) for row in rows], pa.binary(16)),
        }
    )
    pq.write_table(table, folder / "texts.parquet")
    return settle(folder / "texts.parquet", rules or Duplicates(), scratch=scratch)


def _marks(settled: Settled) -> list[tuple[int, str, bool, str]]:
    rows = pq.read_table(settled.marks).to_pylist()
    return [(row["position"], row["check"], row["refused"], row["keeper"]) for row in rows]


def _sets_alike(one: str, other: str) -> float:
    left, right = ({text[at : at + 3] for at in range(len(text) - 2)} for text in (one, other))
    return len(left & right) / max(len(left | right), 1)


def test_the_lowest_id_keeps_the_words(tmp_path: Path) -> None:
    rows = [("b", "2", "Blue mug!"), ("a", "1", "blue MUG"), ("c", "3", "Red mug")]
    assert _marks(_settle(tmp_path, rows)) == [(0, "D-1", True, "a")]


def test_variants_of_one_product_may_share_their_words(tmp_path: Path) -> None:
    settled = _settle(tmp_path, [("a", "1", "Blue mug"), ("b", "1", "Blue mug"), ("c", "1", "Blue mug")])
    assert (_marks(settled), settled.variants_sharing_text) == ([], 2)


def test_variants_of_a_refused_product_go_with_it(tmp_path: Path) -> None:
    rows = [("a", "1", LONG.format(1)), ("b", "2", LONG.format(2)), ("c", "2", LONG.format(2))]
    assert _marks(_settle(tmp_path, rows)) == [(1, "D-2", True, "a"), (2, "D-2", True, "a")]


def test_near_variants_of_one_product_are_left_alone(tmp_path: Path) -> None:
    assert _marks(_settle(tmp_path, [("a", "1", LONG.format(1)), ("b", "1", LONG.format(2))])) == []


def test_a_row_goes_only_for_one_that_stays(tmp_path: Path) -> None:
    words = [f"word{number:02}" for number in range(48)]
    chain = [" ".join(words[start : start + 44]) for start in (0, 2, 4)]
    near = [round(value, 2) for value in _jaccards([chain[0], chain[1], chain[0]], [chain[1], chain[2], chain[2]])]
    assert min(near[:2]) >= 0.9 > near[2]
    settled = _settle(tmp_path, [(str(at), str(at), text) for at, text in enumerate(chain)])
    assert _marks(settled) == [(1, "D-2", True, "0"), (2, "D-2", False, "0")]
    assert settled.similar_pairs == 1


def test_texts_in_two_locales_never_meet(tmp_path: Path) -> None:
    text = LONG.format(1)
    bands = [hashed([text], np.array([salt], np.uint64))[0] for salt in (1, 2)]
    assert not set(bands[0][0].tolist()) & set(bands[1][0].tolist())


@pytest.mark.parametrize("text", ["", "a", "杯", "ab"])
def test_texts_below_three_characters_are_compared_exactly(tmp_path: Path, text: str) -> None:
    assert _marks(_settle(tmp_path, [("a", "1", text), ("b", "2", text)])) == [(1, "D-1", True, "a")]


def test_chinese_copy_with_one_word_changed(tmp_path: Path) -> None:
    text = "这款陶瓷马克杯手感温润，杯口圆滑，适合在安静的早晨慢慢享用一杯{}，也适合送给朋友作为生日礼物。"
    rows = [("a", "1", text.format("咖啡")), ("b", "2", text.format("红茶"))]
    assert _marks(_settle(tmp_path, rows, locale="zh")) == [(1, "D-2", False, "a")]


@pytest.mark.parametrize(
    ("rules", "marks"),
    [
        (Duplicates(exact="flag", near="off"), [(1, "D-1", False, "a")]),
        (Duplicates(exact="off", near="flag"), [(2, "D-2", False, "a")]),
        (Duplicates(exact="quarantine", near="off"), [(1, "D-1", True, "a")]),
        (Duplicates(exact="flag", near="quarantine"), [(1, "D-1", False, "a"), (2, "D-2", True, "a")]),
    ],
)
def test_the_recipe_says_what_follows(tmp_path: Path, rules: Duplicates, marks: object) -> None:
    rows = [("a", "1", LONG.format(1)), ("b", "2", LONG.format(1)), ("c", "3", LONG.format(2))]
    assert _marks(_settle(tmp_path, rows, rules)) == marks


def test_nothing_comes_of_nothing(tmp_path: Path) -> None:
    assert _marks(_settle(tmp_path, [])) == []


def test_trigrams_are_exact_numbers() -> None:
    codes, offsets = trigrams(["abcab", "ab", "杯𠮷杯"])
    assert offsets.tolist() == [0, 3, 3, 4]
    assert codes[0] == (ord("a") << 42) | (ord("b") << 21) | ord("c")
    assert codes[3] == (ord("杯") << 42) | (ord("𠮷") << 21) | ord("杯")


def test_jaccard_is_that_of_the_sets() -> None:
    texts = ["a blue mug", "a blue mug, blue", "red", "", "aaaaaa"]
    pairs = list(combinations(texts, 2))
    found = _jaccards([one for one, _ in pairs], [other for _, other in pairs])
    assert found == pytest.approx([_sets_alike(one, other) for one, other in pairs])


def test_views_forget_case_width_and_spaces() -> None:
    assert views(pa.array([" Ａ  Blue\n\u3000MUG "])).to_pylist() == ["a blue mug"]


def test_sketches_of_similar_texts_agree() -> None:
    texts = [LONG.format(number) for number in range(200)]
    _, sketches = hashed(views(pa.array(texts)).to_pylist(), np.zeros(200, np.uint64))
    agree = 128 - np.bitwise_count(sketches[:-1] ^ sketches[1:]).sum(axis=1).astype(int)
    assert (agree >= bits_in_common(0.8)).all()


def test_the_digest_names_this_way_of_looking() -> None:
    assert spec_digest() == spec_digest()
    assert len(spec_digest()) == 16


def _truth(texts: Sequence[str], least: float) -> set[int]:
    """Rows that are similar to an earlier one, by comparing all with all."""
    codes, offsets = trigrams(views(pa.array(texts)).to_pylist())
    known, column = np.unique(codes, return_inverse=True)
    members = np.zeros((len(texts), len(known)), np.float32)
    members[np.repeat(np.arange(len(texts)), np.diff(offsets)), column] = 1
    common, size = members @ members.T, members.sum(axis=1)
    alike = common / np.maximum(size[:, None] + size[None, :] - common, 1)
    return set(np.nonzero(np.triu(alike >= least, 1))[1].tolist())


def _jaccards(left: list[str], right: list[str]) -> list[float]:
    """Of each text and the one opposite."""
    places = np.arange(len(left))
    found: list[float] = jaccards_among([*left, *right], places, places + len(left)).tolist()
    return found


@pytest.mark.real
def test_recall_beside_comparing_all_with_all(real_data: Path, tmp_path: Path) -> None:
    texts = pq.read_table(real_data / "catalogue/hm_articles.parquet", columns=["description"])["description"]
    distinct = {signature(text, locale="en"): text for text in texts.to_pylist() if text}
    chosen = list(distinct.values())[:3000]
    rows = [(f"{at:05}", f"{at:05}", text) for at, text in enumerate(chosen)]
    settled = _settle(tmp_path, rows, Duplicates(exact="off", near="flag"))
    truth, found = _truth(chosen, 0.8), {position for position, *_ in _marks(settled)}
    assert found <= truth
    assert len(found) >= 0.99 * len(truth) > 100


def test_templated_texts_stay_linear_and_are_mostly_found(tmp_path: Path) -> None:
    texts = [LONG.format(f"{number} of the autumn collection") for number in range(2000)]
    settled = _settle(tmp_path, [(f"{at:05}", f"{at:05}", text) for at, text in enumerate(texts)])
    assert sum(refused for _, _, refused, _ in _marks(settled)) >= 0.99 * len(texts)
    assert pq.read_metadata(tmp_path / "scratch/similar.parquet").num_rows <= 16 * len(texts)
