"""Two items must not carry the same words; variants may."""

import random
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_core.checks.duplicates import IN_RUN, OWNED, PUBLISHED, SHELVED, exact_duplicates, signature

Row = dict[str, object]


@dataclass(frozen=True)
class Text:
    """One text that wants to go out."""

    item_id: str
    locale: str
    text: str
    variant_group: str | None

    @property
    def row(self) -> Row:
        name = f"{self.item_id} {self.locale}"
        mark = signature(self.text, locale=self.locale).hex()
        return {
            "request_key": name,
            "item_id": self.item_id,
            "variant_group": self.variant_group,
            "signature": mark,
            "attempt": 1,
        }


def _item(item_id: str, text: str = "A mug.", *, locale: str = "en", group: str | None = None) -> Text:
    return Text(item_id, locale, text, group)


def _known(item_id: str, group: str | None = None) -> Row:
    return {"item_id": item_id, "variant_group": group, "signature": signature("A mug.", locale="en").hex()}


def _batches(rows: Iterable[Row], schema: pa.Schema) -> list[pa.RecordBatch]:
    return [pa.RecordBatch.from_pylist([row], schema=schema) for row in rows]


def found_in(items: Iterable[Text], published: Iterable[Row] = ()) -> dict[tuple[str, str], str]:
    with tempfile.TemporaryDirectory() as folder:
        texts = _batches((item.row for item in items), OWNED)
        shelf = _batches(published, SHELVED)
        found = exact_duplicates(texts, published=shelf, scratch=Path(folder) / "scratch")
        assert not list(Path(folder).iterdir())
    return {(name.split()[0], name.split()[1]): reason for name, reason in found.items()}


def test_case_spaces_punctuation_and_width_do_not_matter() -> None:
    found = found_in([_item("b", "A  ｍug！"), _item("a", "a-mug")])
    assert found == {("b", "en"): IN_RUN}


def test_locales_never_compare() -> None:
    assert found_in([_item("a"), _item("b", locale="zh"), _item("a", locale="zh")]) == {("b", "zh"): IN_RUN}


def test_variants_share_a_text_others_do_not() -> None:
    items = [_item("a", group="g"), _item("b", group="g"), _item("c", group="h"), _item("d")]
    assert set(found_in(items)) == {("c", "en"), ("d", "en")}


def test_items_without_a_group_are_no_variants() -> None:
    assert found_in([_item("a"), _item("b")]) == {("b", "en"): IN_RUN}


def test_a_published_text_stays_with_its_item() -> None:
    assert found_in([_item("a"), _item("c")], [_known("c")]) == {("a", "en"): PUBLISHED}


def test_the_latest_attempt_counts() -> None:
    first, second = _item("a").row, _item("a", "A cup.").row | {"attempt": 2}
    with tempfile.TemporaryDirectory() as folder:
        texts = _batches([second, first, _item("b").row], OWNED)
        assert exact_duplicates(texts, scratch=Path(folder) / "scratch") == {}


def test_variants_of_a_published_item_may_join_it() -> None:
    items = [_item("a"), _item("b", group="g")]
    assert found_in(items, [_known("z", "g")]) == {("a", "en"): PUBLISHED}


ITEMS = st.lists(
    st.builds(
        lambda item_id, text, locale, group: _item(item_id, text, locale=locale, group=group),
        st.sampled_from("abcdef"),
        st.sampled_from(["A mug.", "a MUG", "A cup."]),
        st.sampled_from(["en", "zh"]),
        st.sampled_from([None, "g", "h"]),
    ),
    unique_by=lambda item: (item.item_id, item.locale),
)
KNOWN = st.lists(st.builds(_known, st.sampled_from("abcxyz"), st.sampled_from([None, "g"])), max_size=3)


@settings(max_examples=40, deadline=None)
@given(ITEMS, KNOWN, st.randoms(use_true_random=False))
def test_order_never_matters(items: list[Text], known: list[Row], rng: random.Random) -> None:
    mixed, known_mixed = list(items), list(known)
    rng.shuffle(mixed)
    rng.shuffle(known_mixed)
    assert found_in(mixed, iter(known_mixed)) == found_in(iter(items), known)


@settings(max_examples=40, deadline=None)
@given(ITEMS)
def test_what_is_left_shares_texts_among_variants_only(items: list[Text]) -> None:
    found = found_in(items)
    left = [item for item in items if (item.item_id, item.locale) not in found]
    owners: dict[bytes, set[str]] = {}
    for item in left:
        owner = item.variant_group or f"only {item.item_id}"
        owners.setdefault(signature(item.text, locale=item.locale), set()).add(owner)
    assert all(len(groups) == 1 for groups in owners.values())
    assert {signature(item.text, locale=item.locale) for item in items} == set(owners)
