"""Few-shot examples: of the category asked for, unlike each other, the same every time."""

import pytest
from shop import Shop, pair

from aigc_core.corpus.examples import Wanted, draw_examples
from aigc_core.errors import SourceInvalid
from aigc_core.records import CorpusVersion, Example

pytest_plugins = ("shop_fixtures",)

OPENINGS = ("Carry", "This light thing is", "Boil water with", "For long days there is", "Nobody forgets", "Meet")


def corpus(shop: Shop, order: int = 1) -> CorpusVersion:
    """Sixty pairs in two categories, a few near copies among them."""
    rows = [
        pair(
            number,
            category="bottle" if number % 2 else "lamp",
            text_en=f"{OPENINGS[number % 6]} item {number}, made for those who count to {number * 7}.",
        )
        for number in range(60)
    ]
    return shop.ingest(rows[::order], name=f"corpus{order}.jsonl")


def draw(shop: Shop, version: CorpusVersion, count: int = 4, category: str | None = "bottle") -> tuple[Example, ...]:
    """English examples."""
    wanted = Wanted(locale="en", count=count, category=category)
    return draw_examples(shop.corpus_tables.pairs, version, wanted)


def test_of_the_category_asked_for(shop: Shop) -> None:
    drawn = draw(shop, corpus(shop))
    assert len({one.item_id for one in drawn}) == 4
    assert {one.category for one in drawn} == {"bottle"}


def test_the_order_of_the_source_does_not_matter(shop: Shop) -> None:
    first = draw(shop, corpus(shop))
    assert draw(shop, corpus(shop, order=-1)) == first


def test_without_a_category_all_take_turns(shop: Shop) -> None:
    drawn = draw(shop, corpus(shop), count=6, category=None)
    assert sorted(str(one.category) for one in drawn) == ["bottle"] * 3 + ["lamp"] * 3


def test_they_are_unlike_each_other(shop: Shop) -> None:
    drawn = draw(shop, corpus(shop), count=3)
    assert len({one.text.split()[0] for one in drawn}) == 3


def test_other_categories_fill_up(shop: Shop) -> None:
    drawn = draw(shop, corpus(shop), count=40)
    assert len(drawn) == 40
    categories = [one.category for one in drawn]
    assert categories.index("lamp") == categories.count("bottle")


def test_held_out_groups_are_never_shown(shop: Shop) -> None:
    version = corpus(shop)
    held_out = shop.corpus_tables.pairs.dataset().to_table().to_pylist()
    hidden = {row["item_id"] for row in held_out if row["held_out"]}
    assert hidden
    assert not hidden & {one.item_id for one in draw(shop, version, count=60, category=None)}


def test_a_language_without_pairs_is_told(shop: Shop) -> None:
    with pytest.raises(SourceInvalid, match="has no unflagged training pair in 'fr'"):
        draw_examples(shop.corpus_tables.pairs, corpus(shop), Wanted(locale="fr", count=1))
