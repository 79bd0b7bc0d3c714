import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from aigc_core.contracts.seen import FACT, Fact, Seen, row_hashes


def facts(*numbers: int) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    return np.array([(number, number, 0) for number in numbers], FACT)


def hashes(values: list[int]) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.array(values, np.uint64)


@given(st.lists(st.lists(st.integers(0, 2**64 - 1), unique=True, max_size=9), max_size=12))
def test_batches_of_any_size_are_found_again_where_they_were_added(batches: list[list[int]]) -> None:
    seen, known = Seen(), dict[int, int]()
    for batch in batches:
        fresh = [key for key in batch if key not in known]
        assert seen.find(hashes(batch)).tolist() == [known.get(key, -1) for key in batch]
        seen.add(hashes(fresh), facts(*range(len(known), len(known) + len(fresh))))
        known |= {key: len(known) + place for place, key in enumerate(fresh)}
    assert seen.find(hashes(list(known))).tolist() == list(known.values())


def test_what_is_known_of_a_row_is_kept() -> None:
    seen = Seen()
    seen.add(hashes([7]), np.array([(2**64 - 1, 2**40, 3)], FACT))
    seen.add(hashes([5]), facts(8))
    assert seen.fact(0) == Fact(content=2**64 - 1, number=2**40, file=3)
    assert seen.fact(int(seen.find(hashes([5]))[0])) == Fact(8, 8, 0)


def test_a_row_is_moved_a_few_times_only_however_many_batches_come() -> None:
    seen = Seen()
    for start in range(0, 256_000, 1000):
        seen.add(np.arange(start, start + 1000, dtype=np.uint64) << np.uint64(46), facts(*range(1000)))
    runs = [len(keys) for part in seen._parts for keys, _ in part._runs]
    assert sum(runs) == 256_000
    assert len(runs) <= 16 * 9


def test_hashes_follow_values_and_use_all_64_bits() -> None:
    table = pa.table({"a": ["x", "y", "x", None, ""], "b": [1, 1, 1, 1, 1]})
    found = row_hashes(table).tolist()
    assert found[0] == found[2]
    assert len(set(found)) == 4
    assert row_hashes(table.slice(1, 1)).tolist() == [found[1]]
    assert max(row_hashes(pa.table({"a": list(range(100))})).tolist()) > 2**63
