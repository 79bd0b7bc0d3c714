"""Identities depend on what is said, not on how it is spelt."""

import json
import uuid
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_core.ids import (
    Json,
    canonical_json,
    content_number,
    fingerprint,
    is_safe_id,
    seed_of,
    stable_unit,
    text_sha256,
)

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@dataclass(frozen=True)
class Point:
    """A record with a record in it."""

    x: int
    inner: "Point | None" = None


@given(VALUES)
def test_canonical_json_is_json_and_its_own_canonical_form(value: Json) -> None:
    text = canonical_json(value)
    assert json.loads(text) == value
    assert canonical_json(json.loads(text)) == text


@given(st.dictionaries(st.text(), SCALARS), st.randoms())
def test_the_order_of_keys_does_not_matter(value: dict[str, Json], chance: Random) -> None:
    pairs = list(value.items())
    chance.shuffle(pairs)
    assert fingerprint(dict(pairs)) == fingerprint(value)


def test_the_order_of_a_list_does_matter() -> None:
    assert fingerprint([1, 2]) != fingerprint([2, 1])


def test_tuples_and_records_are_their_json() -> None:
    assert canonical_json(Point(1, Point(2))) == '{"inner":{"inner":null,"x":2},"x":1}'
    assert canonical_json(((1, 2), {"a": Point(3)})) == '[[1,2],{"a":{"inner":null,"x":3}}]'


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_cannot_say_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="Out of range float values"):
        canonical_json({"x": value})


@given(VALUES, st.integers(1, 64))
def test_a_shorter_fingerprint_begins_the_longer(value: Json, length: int) -> None:
    short = fingerprint(value, length=length)
    assert len(short) == length
    assert fingerprint(value, length=64).startswith(short)


def test_a_lone_surrogate_has_an_identity_too() -> None:
    assert len({fingerprint("\ud800"), text_sha256("\ud800"), fingerprint("?"), text_sha256("?")}) == 4


@given(st.text(), st.integers(1, 10))
def test_seeds_fit_a_generator_and_differ_by_attempt(key: str, attempt: int) -> None:
    assert 0 <= seed_of(key, attempt) < 2**63
    assert seed_of(key, attempt) == seed_of(key, attempt) != seed_of(key, attempt + 1)


@given(st.text())
def test_a_stable_unit_is_below_one(text: str) -> None:
    assert 0 <= stable_unit(text) < 1


def test_stable_numbers_never_change() -> None:
    assert (stable_unit("G-001"), seed_of("key", 1)) == (0.06251962777931204, 4557510799002598338)


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_a_content_number_is_a_name_based_uuid(parts: list[str]) -> None:
    number = uuid.UUID(content_number(*parts))
    assert number.version == 5
    assert str(number) == content_number(*parts)


@given(st.text())
def test_a_safe_id_can_stand_in_a_path(text: str) -> None:
    if is_safe_id(text):
        assert len(text) <= 64
        assert ".." not in text
        assert not set(text) & set("/\\ \n\x00%")


@pytest.mark.parametrize("text", ["a", "A1.b-c_d", "x" * 64])
def test_safe(text: str) -> None:
    assert is_safe_id(text)


@pytest.mark.parametrize("text", ["", ".", "..", ".a", "-a", "a/b", "a..b", "a\n", "é", "x" * 65, "a b"])
def test_not_safe(text: str) -> None:
    assert not is_safe_id(text)
