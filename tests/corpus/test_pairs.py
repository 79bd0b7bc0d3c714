"""A corpus is a version: the same pairs are the same, other pairs are one more, and the split never moves."""

from dataclasses import replace
from pathlib import Path

import pytest
from shop import LINE, Rows, Shop, item, pair, read_line, write_rows

from aigc_core.contracts.content_line import ContentLine
from aigc_core.corpus.catalogue import take_catalogue
from aigc_core.errors import SourceInvalid
from aigc_core.records import CorpusVersion
from aigc_core.storage.delta import Table
from aigc_core.storage.files import read_table

pytest_plugins = ("shop_fixtures",)

PAIRS = [pair(number) for number in range(20)]


def corpus_table(shop: Shop) -> Table:
    """The line's corpus."""
    return Table(str(shop.root / "lake" / "corpora" / LINE))


def take(shop: Shop, rows: Rows, line: ContentLine | None = None, name: str = "corpus.jsonl") -> CorpusVersion:
    """The rows as the current corpus."""
    return shop.ingest(rows, line, name)


def split(shop: Shop) -> dict[str, set[bool]]:
    """Product group -> on which sides it stands."""
    sides: dict[str, set[bool]] = {}
    for row in corpus_table(shop).dataset().to_table(columns=["product_group", "held_out"]).to_pylist():
        sides.setdefault(row["product_group"], set()).add(row["held_out"])
    return sides


def test_every_article_is_a_pair_a_language(shop: Shop) -> None:
    version = take(shop, PAIRS)
    rows = corpus_table(shop).dataset().to_table().to_pylist()
    assert (version.pairs, version.version, version.table) == (40, 1, corpus_table(shop).uri)
    assert len({(row["item_id"], row["locale"]) for row in rows}) == 40
    assert version.training_pairs + version.held_out_pairs == 40
    assert version.held_out_pairs == sum(row["held_out"] for row in rows)


def test_the_same_file_again_changes_nothing(shop: Shop) -> None:
    first = take(shop, PAIRS)
    for name in ("corpus.jsonl", "renamed.jsonl"):
        again = take(shop, PAIRS, name=name)
        assert again.repeated
        assert replace(again, repeated=False, shift=first.shift) == first
    assert corpus_table(shop).version() == 1


def test_a_changed_file_is_one_more_version(shop: Shop) -> None:
    first, second = take(shop, PAIRS), take(shop, PAIRS[:-1])
    assert (second.version, second.pairs) == (first.version + 1, 38)
    assert first.fingerprint != second.fingerprint
    assert corpus_table(shop).dataset(first.version).count_rows() == 40


def test_going_back_to_an_earlier_file_is_a_version_with_the_earlier_fingerprint(shop: Shop) -> None:
    first = take(shop, PAIRS)
    take(shop, PAIRS[:-1])
    back = take(shop, PAIRS)
    assert (back.version, back.fingerprint) == (3, first.fingerprint)
    assert corpus_table(shop).dataset().count_rows() == 40


def test_no_group_stands_on_both_sides(shop: Shop) -> None:
    take(shop, [pair(number, product_group=f"G-{number // 4}") for number in range(40)])
    assert {len(sides) for sides in split(shop).values()} == {1}
    assert {side for sides in split(shop).values() for side in sides} == {True, False}


def test_the_split_does_not_move_when_the_corpus_does(shop: Shop) -> None:
    take(shop, PAIRS)
    before = split(shop)
    take(shop, [*(pair(number) for number in range(20, 30)), *PAIRS[::-1]])
    assert {group: sides for group, sides in split(shop).items() if group in before} == before


def test_another_share_is_another_version(shop: Shop, tmp_path: Path) -> None:
    first = take(shop, PAIRS)
    model = shop.line.recipe.model
    training = model.training.model_copy(update={"held_out_share": 0.1})
    recipe = shop.line.recipe.model_copy(update={"model": model.model_copy(update={"training": training})})
    second = take(shop, PAIRS, replace(shop.line, recipe=recipe))
    assert second.held_out_pairs < first.held_out_pairs
    assert second.fingerprint != first.fingerprint


def test_bad_pairs_are_quarantined_with_their_reason(shop: Shop) -> None:
    version = take(
        shop, [*PAIRS, pair(30, text_en="Short."), pair(31, text_zh=None), pair(0, text_en="Another text of a person.")]
    )
    assert (version.pairs, version.door.quarantined, version.door.repeated, version.door.unlabelled) == (42, 2, 1, 1)
    reasons = set(shop.quarantine.dataset().to_table()["reason"].to_pylist())
    assert reasons == {"text: shorter than 15", "item_id, locale: repeated"}


def test_a_corpus_without_a_good_pair_is_refused(shop: Shop) -> None:
    with pytest.raises(SourceInvalid, match="lacks the columns text_en, text_zh"):
        take(shop, [item(1)])
    assert not corpus_table(shop).exists()


def test_a_catalogue_is_pinned_as_the_recipe_sees_it(shop: Shop) -> None:
    source = write_rows(shop.root / "items.jsonl", [item(2, feature=None), item(1, material=None)])
    snapshot = take_catalogue(source, shop.line, shop.catalogue_tables, shop.root / "catalogue.parquet")
    first, second = read_table(snapshot.path).to_pylist()
    assert (first["position"], first["item_id"], first["variant_group"], first["seller_id"]) == (
        0,
        "S-002",
        "G-002",
        "s-1",
    )
    assert [one["name"] for one in first["attributes"]] == ["category", "name", "material", "capacity"]
    assert (first["missing"], second["missing"]) == ([], ["material"])


def test_a_snapshot_is_known_by_its_items(shop: Shop) -> None:
    prints = [
        take_catalogue(
            write_rows(shop.root / f"{name}.jsonl", rows),
            shop.line,
            shop.catalogue_tables,
            shop.root / f"{name}.parquet",
        ).fingerprint
        for name, rows in (("a", [item(1), item(2)]), ("b", [item(1), item(2)]), ("c", [item(2), item(1)]))
    ]
    assert prints[0] == prints[1] != prints[2]


def test_an_attribute_the_recipe_adds_makes_another_version(shop: Shop, tmp_path: Path) -> None:
    first = take(shop, PAIRS)
    attributes = {"name": {"column": "name"}}
    second = take(shop, PAIRS, read_line(tmp_path / "other", attributes=attributes))
    assert (second.version, second.fingerprint != first.fingerprint) == (2, True)
