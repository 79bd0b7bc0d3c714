from hypothesis import given
from hypothesis import strategies as st

from aigc_core.contracts.seen import Answer, Seen, hash_of

Rows = list[tuple[int, int]]


def expected(rows: Rows) -> list[Answer]:
    kept: dict[int, int] = {}
    answers: list[Answer] = []
    for key, content in rows:
        before = kept.setdefault(key, content)
        fresh = len(answers) == [k for k, _ in rows].index(key)
        answers.append("new" if fresh else "same" if before == content else "other")
    return answers


def asked(rows: Rows, size: int) -> list[Answer]:
    seen, answers = Seen(), list[Answer]()
    for start in range(0, len(rows), size):
        batch = rows[start : start + size]
        seen.begin([key for key, _ in batch])
        for key, content in batch:
            answers.append(seen.ask(key, content))
            if answers[-1] == "new":
                seen.add(key, content)
    return answers


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 2))), st.integers(1, 9))
def test_batches_of_any_size_give_the_answers_of_one_plain_dict(rows: Rows, size: int) -> None:
    assert asked(rows, size) == expected(rows)


def test_hashes_use_all_64_bits_and_tell_types_apart() -> None:
    assert hash_of(("1",)) != hash_of((1,))
    assert max(hash_of(number) for number in range(100)) > 2**63
