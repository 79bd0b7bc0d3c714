"""Nights whose prompts show pairs of the corpus, as text or as the turns of a chat."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from shop import Shop, generated, item, pair, read_line, rows_of, walk, write_line, write_rows

from aigc_core.errors import ModelInvalid, SourceInvalid
from aigc_core.night import intake, pin, steps
from aigc_core.records import Examples, Night, RunSummary
from aigc_core.storage.progress import release

pytest_plugins = ("shop_fixtures",)

SHOWN: dict[str, object] = {"few_shot": {"count": 2}}
CHAT: dict[str, object] = {"chat": {"system": {"en": "You write for a shop.", "zh": "你为商店写文案。"}}}


@pytest.fixture
def showing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A shop whose prompts show two pairs."""
    monkeypatch.setenv("AIGC_LINES", str(tmp_path / "lines"))
    yield Shop(root=tmp_path, line=read_line(tmp_path / "lines", **SHOWN))
    for folder in (tmp_path / "lake" / "runs").glob("*"):
        release(folder)


def begun(shop: Shop) -> Night:
    """A night over three items, with a corpus of thirty pairs."""
    corpus = write_rows(shop.root / "corpus.jsonl", [pair(number) for number in range(30)])
    return pin.start(shop.order([item(1), item(2), item(40)], corpus=corpus))


def planned(night: Night) -> None:
    """The night up to its plan."""
    model = steps.obtain_model(night, intake.take_corpus(night))
    steps.plan(night, intake.take_catalogue(night), model)


def requests_of(shop: Shop, night: Night) -> list[dict[str, object]]:
    """What is asked for."""
    rows: list[dict[str, object]] = pq.read_table(shop.folder(night.run_id).file("requests.parquet")).to_pylist()
    return rows


def test_a_plain_prompt_stands_behind_its_examples(showing: Shop) -> None:
    night = begun(showing)
    planned(night)
    kept = showing.folder(night.run_id).recall("examples", Examples)
    assert kept is not None
    for row in requests_of(showing, night):
        before, own = str(row["prompt"]).rsplit("\n\n", 1)
        texts = [example.text for example in kept.drawn[str(row["locale"])]["bottle"]]
        assert own.startswith(f"{row['locale']}: category bottle;")
        assert sum(text in before for text in texts) == 2
        assert f"name {item(1)['name']};" not in before or row["item_id"] != "S-001"
        assert row["turns"] == []


def test_a_chat_shows_them_as_turns(showing: Shop) -> None:
    write_line(showing.root / "lines", **SHOWN, **CHAT)
    night = begun(showing)
    planned(night)
    for row in requests_of(showing, night):
        turns = [(turn["role"], turn["content"]) for turn in row["turns"]]  # type: ignore[attr-defined]
        assert [role for role, _ in turns] == ["system", "user", "assistant", "user", "assistant"]
        assert turns[0][1] == CHAT["chat"]["system"][row["locale"]]  # type: ignore[index]
        assert str(row["prompt"]).startswith(f"{row['locale']}: category bottle;")


def test_other_examples_are_another_prompt(showing: Shop) -> None:
    night = begun(showing)
    planned(night)
    digests = {row["examples_digest"] for row in requests_of(showing, night)}
    corpus = write_rows(showing.root / "other.jsonl", [pair(number) for number in range(10, 50)])
    other = pin.start(replace(showing.order([item(1), item(2), item(40)]), corpus=corpus))
    planned(other)
    assert not digests & {row["examples_digest"] for row in requests_of(showing, other)}


def on_the_shelf(shop: Shop, pairs: range, *, date: str) -> RunSummary:
    """A whole night over an item, with a corpus of these pairs."""
    corpus = write_rows(shop.root / "corpus.jsonl", [pair(number) for number in pairs])
    return walk(pin.start(replace(shop.order([item(1)], date=date), corpus=corpus)))


def test_other_examples_leave_the_shelf_alone(showing: Shop) -> None:
    first = on_the_shelf(showing, range(30), date="2026-01-01")
    second = on_the_shelf(showing, range(10, 50), date="2026-01-02")
    assert (first.planned, second.planned) == ({"new": 2}, {"published before": 2})
    digests = [
        {row["prompt_digest"] for row in pq.read_table(showing.folder(run).file("requests.parquet")).to_pylist()}
        for run in (first.run_id, second.run_id)
    ]
    assert {row["prompt_digest"] for row in rows_of(showing.shelf)} == digests[0] != digests[1]
    write_line(showing.root / "lines", few_shot={"count": 1})
    assert on_the_shelf(showing, range(10, 50), date="2026-01-03").planned == {"prompt changed": 2}


def test_other_examples_write_again_where_the_recipe_says_so(showing: Shop) -> None:
    generation = showing.line.recipe.generation.model_dump(mode="json") | {"regenerate_on": ["examples"]}
    write_line(showing.root / "lines", **SHOWN, generation=generation)
    on_the_shelf(showing, range(30), date="2026-01-01")
    before = {row["request_key"] for row in rows_of(showing.shelf)}
    assert on_the_shelf(showing, range(30), date="2026-01-02").planned == {"published before": 2}
    assert on_the_shelf(showing, range(10, 50), date="2026-01-03").planned == {"examples changed": 2}
    assert not before & {row["request_key"] for row in rows_of(showing.shelf)}


def test_the_night_ends_and_goes_on_with_the_examples_it_began_with(showing: Shop) -> None:
    night = begun(showing)
    planned(night)
    before = showing.folder(night.run_id).file("examples.json").read_bytes()
    assert generated(pin.start(replace(showing.order([item(1), item(2), item(40)]), corpus=night.corpus)))[1].rows == 6
    assert showing.folder(night.run_id).file("examples.json").read_bytes() == before


def test_without_a_corpus_there_is_nothing_to_show(showing: Shop) -> None:
    night = pin.start(showing.order([item(1)]))
    with pytest.raises(SourceInvalid, match="has no corpus yet"):
        planned(night)


def test_a_model_without_a_chat_template_is_refused_before_anything_is_written(showing: Shop, tiny_llama: str) -> None:
    write_line(showing.root / "lines", **CHAT)
    night = pin.start(replace(showing.order([item(1)]), engine="hf", model=tiny_llama))
    with pytest.raises(ModelInvalid, match="has no chat template, and the recipe of product_description has `chat`"):
        steps.obtain_model(night, None)
