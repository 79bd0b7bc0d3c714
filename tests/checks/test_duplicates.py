import random

from hypothesis import given
from hypothesis import strategies as st

from aigc_core.checks.duplicates import IN_RUN, PUBLISHED, ItemText, PublishedText, exact_duplicates, signature


def _item(item_id: str, text: str = "A mug.", *, locale: str = "en", group: str | None = None) -> ItemText:
    return ItemText(item_id=item_id, locale=locale, text=text, variant_group=group)


def _known(item_id: str, group: str | None = None) -> PublishedText:
    return PublishedText(signature=signature("A mug.", locale="en"), item_id=item_id, variant_group=group)


def test_case_spaces_punctuation_and_width_do_not_matter() -> None:
    found = exact_duplicates([_item("b", "A  ｍug！"), _item("a", "a-mug")])
    assert found == {("b", "en"): IN_RUN}


def test_locales_never_compare() -> None:
    assert exact_duplicates([_item("a"), _item("b", locale="zh"), _item("a", locale="zh")]) == {("b", "zh"): IN_RUN}


def test_variants_share_a_text_others_do_not() -> None:
    items = [_item("a", group="g"), _item("b", group="g"), _item("c", group="h"), _item("d")]
    assert set(exact_duplicates(items)) == {("c", "en"), ("d", "en")}


def test_items_without_a_group_are_no_variants() -> None:
    assert exact_duplicates([_item("a"), _item("b")]) == {("b", "en"): IN_RUN}


def test_a_published_text_stays_with_its_item() -> None:
    assert exact_duplicates([_item("a"), _item("c")], published=[_known("c")]) == {("a", "en"): PUBLISHED}


def test_variants_of_a_published_item_may_join_it() -> None:
    items = [_item("a"), _item("b", group="g")]
    assert exact_duplicates(items, published=[_known("z", "g")]) == {("a", "en"): PUBLISHED}


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


@given(ITEMS, KNOWN, st.randoms(use_true_random=False))
def test_order_never_matters(items: list[ItemText], known: list[PublishedText], rng: random.Random) -> None:
    mixed, known_mixed = list(items), list(known)
    rng.shuffle(mixed)
    rng.shuffle(known_mixed)
    assert exact_duplicates(mixed, published=iter(known_mixed)) == exact_duplicates(iter(items), published=known)


@given(ITEMS)
def test_what_is_left_shares_texts_among_variants_only(items: list[ItemText]) -> None:
    found = exact_duplicates(items)
    left = [item for item in items if (item.item_id, item.locale) not in found]
    owners: dict[bytes, set[str]] = {}
    for item in left:
        owner = item.variant_group or f"only {item.item_id}"
        owners.setdefault(signature(item.text, locale=item.locale), set()).add(owner)
    assert all(len(groups) == 1 for groups in owners.values())
    assert {signature(item.text, locale=item.locale) for item in items} == set(owners)
