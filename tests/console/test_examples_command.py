"""`aigc examples`: what a few-shot prompt would show."""

import json
from pathlib import Path

import pytest
from nights import LINE, Aigc

from aigc_core.night import intake
from aigc_core.records import Order


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with the sample's corpus; read only."""
    folder = tmp_path_factory.mktemp("examples") / "lake"
    taken = intake.take_in(Order(line=LINE, lake=str(folder), corpus=str(sample())))
    assert taken.catalogue is None
    return folder


def sample() -> Path:
    """The shipped training pairs."""
    from aigc_core.workspace import REPOSITORY

    return REPOSITORY / "data_contracts" / LINE / "sample" / "corpus.jsonl.gz"


def test_examples_of_a_category_for_machines(aigc: Aigc, lake: Path) -> None:
    said = aigc("examples", LINE, "--lake", lake, "--category", "lamp", "--locale", "zh", "--count", "2", "--json")
    found = json.loads(said.out)
    assert [one["category"] for one in found] == ["lamp", "lamp"]
    assert all(one["text"].endswith("。") and ["category", "lamp"] in one["attributes"] for one in found)


def test_examples_are_a_table_for_people(aigc: Aigc, lake: Path) -> None:
    said = aigc("examples", LINE, "--lake", lake)
    assert said.code == 0
    assert said.out.split()[:4] == ["item_id", "category", "attributes", "text"]


def test_a_language_the_line_does_not_write_is_told(aigc: Aigc, lake: Path) -> None:
    said = aigc("examples", LINE, "--lake", lake, "--locale", "fr")
    assert (said.code, "does not write 'fr'. It writes en, zh." in said.err) == (2, True)


def test_a_line_without_a_corpus_says_how_to_get_one(aigc: Aigc, tmp_path: Path) -> None:
    said = aigc("examples", LINE, "--lake", tmp_path / "none")
    assert (said.code, f"aigc ingest {LINE} --corpus FILE" in said.err) == (2, True)
