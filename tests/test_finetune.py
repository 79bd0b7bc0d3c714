"""A model is trained once for one corpus and one recipe, and never on what is held out."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from shop import LINE, Shop, pair

from aigc_core.engines.base import TrainingPair
from aigc_core.errors import RunBusy, TrainingFailed
from aigc_core.finetune import GROUPS_FILE, finetune, key_of
from aigc_core.ids import fingerprint
from aigc_core.records import CorpusVersion, ModelVersion
from aigc_core.storage.delta import Table
from aigc_core.storage.files import sha256_of
from aigc_core.storage.groups import GroupSet, is_held_out
from aigc_core.storage.models import ModelStore

pytest_plugins = ("shop_fixtures",)

HOLD_AND_WAIT = """
import sys
from pathlib import Path
from aigc_core.storage.progress import hold
hold(Path(sys.argv[1]), "It")
print("held", flush=True)
sys.stdin.read()
"""


class Counting:
    """Learns how often each byte stands in the training texts: a unigram model in one safetensors file."""

    def __init__(self) -> None:
        self.training: list[TrainingPair] = []
        self.held_out: list[TrainingPair] = []
        self.trained = 0

    def train(self, training: Sequence[TrainingPair], held_out: Sequence[TrainingPair], folder: str) -> ModelVersion:
        """Count."""
        self.training, self.held_out = list(training), list(held_out)
        self.trained += 1
        counts = np.bincount(np.frombuffer("".join(one.text for one in training).encode(), np.uint8), minlength=256)
        path = Path(folder) / "model.safetensors"
        save_file({"counts": counts}, path)
        return ModelVersion(line="", digest=sha256_of(path)[:16], engine="hf", path=folder, base="starter")


class School:
    """A corpus, a store and a trainer."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.table = Table(str(shop.root / "lake" / "corpora" / LINE))
        self.store = ModelStore(shop.root / "lake" / "models" / LINE)
        self.trainer = Counting()

    def corpus(self, rows: list[dict[str, object]]) -> CorpusVersion:
        """The rows as the corpus."""
        return self.shop.ingest(rows, name="c.jsonl")

    def tune(self, corpus: CorpusVersion) -> ModelVersion:
        """The model of this corpus."""
        return finetune(corpus, self.shop.line.recipe, self.trainer, self.table, self.store)


@pytest.fixture
def school(shop: Shop) -> School:
    """No model yet."""
    return School(shop)


@pytest.fixture
def pairs() -> list[dict[str, object]]:
    """Twenty products."""
    return [pair(number) for number in range(20)]


def test_the_model_is_kept_under_its_digest_and_serves(school: School, pairs: list[dict[str, object]]) -> None:
    corpus = school.corpus(pairs)
    model = school.tune(corpus)
    assert school.store.champion() == model
    assert (model.line, model.corpus_fingerprint) == (LINE, corpus.fingerprint)
    names = {path.name for path in Path(model.path).iterdir()}
    assert names == {"model.safetensors", "MODEL_CARD.md", "manifest.json", GROUPS_FILE}


def test_held_out_groups_are_never_trained_on(school: School, pairs: list[dict[str, object]]) -> None:
    school.tune(school.corpus(pairs))
    share = school.shop.line.recipe.model.training.held_out_share
    held_out = {str(row["name"]) for row in pairs if is_held_out(LINE, str(row["product_group"]), share)}
    assert len(school.trainer.training) + len(school.trainer.held_out) == 40
    assert all(any(f"name {name};" in one.prompt for name in held_out) for one in school.trainer.held_out)
    assert not any(f"name {name};" in one.prompt for name in held_out for one in school.trainer.training)


def test_the_groups_it_saw_are_kept_with_the_model(school: School, pairs: list[dict[str, object]]) -> None:
    model = school.tune(school.corpus(pairs))
    groups = [str(row["product_group"]) for row in pairs]
    share = school.shop.line.recipe.model.training.held_out_share
    seen = GroupSet.read(Path(model.path) / GROUPS_FILE).contains(groups).tolist()
    assert seen == [not is_held_out(LINE, group, share) for group in groups]


def test_trained_once_for_one_corpus(school: School, pairs: list[dict[str, object]]) -> None:
    corpus = school.corpus(pairs)
    assert school.tune(corpus) == school.tune(corpus)
    assert school.trainer.trained == 1


def test_another_corpus_is_another_model_and_the_first_is_found_again(
    school: School, pairs: list[dict[str, object]]
) -> None:
    first = school.tune(school.corpus(pairs))
    second = school.tune(school.corpus(pairs[:15]))
    assert school.store.champion() == second != first
    assert school.tune(school.corpus(pairs)).digest == first.digest
    assert (school.store.champion(), school.trainer.trained) == (first, 2)


def test_variants_with_one_text_are_learnt_once(school: School, pairs: list[dict[str, object]]) -> None:
    variants = [row | {"sku": f"{row['sku']}-{size}"} for row in pairs for size in "ab"]
    school.tune(school.corpus(variants))
    assert len(school.trainer.training) + len(school.trainer.held_out) == 40


def test_pairs_come_in_an_order_of_their_own(school: School, pairs: list[dict[str, object]]) -> None:
    school.tune(school.corpus(pairs))
    first = school.trainer.training
    school.tune(school.corpus(pairs[::-1]))
    assert school.trainer.trained == 2
    assert school.trainer.training == first


def test_the_key_covers_corpus_prompt_and_settings(school: School, pairs: list[dict[str, object]]) -> None:
    corpus, recipe = school.corpus(pairs), school.shop.line.recipe
    settings = recipe.model.model_copy(update={"base": "another"})
    keys = {
        key_of(corpus, recipe),
        key_of(replace(corpus, fingerprint="x"), recipe),
        key_of(corpus, recipe.model_copy(update={"prompt": "{{ locale }}"})),
        key_of(corpus, recipe.model_copy(update={"model": settings})),
    }
    assert len(keys) == 4
    assert key_of(replace(corpus, version=9, table="elsewhere"), recipe) in keys


def test_the_manifest_says_how_it_was_made(school: School, pairs: list[dict[str, object]]) -> None:
    corpus = school.corpus(pairs)
    model = school.tune(corpus)
    manifest = json.loads((Path(model.path) / "manifest.json").read_text("utf-8"))
    assert manifest["corpus"]["fingerprint"] == corpus.fingerprint
    assert manifest["training_pairs"] == len(school.trainer.training)
    assert set(manifest["packages"]) >= {"torch", "transformers", "trl"}
    assert corpus.fingerprint in (Path(model.path) / "MODEL_CARD.md").read_text("utf-8")


def test_nothing_held_out_is_no_training(school: School) -> None:
    share = school.shop.line.recipe.model.training.held_out_share
    trained = [pair(n) for n in range(20) if not is_held_out(LINE, str(pair(n)["product_group"]), share)]
    with pytest.raises(TrainingFailed, match=r"pairs to train on and 0 held out\. Both are needed.*held_out_share"):
        school.tune(school.corpus(trained))
    assert school.store.champion() is None


def test_a_training_of_another_process_is_busy(school: School, pairs: list[dict[str, object]]) -> None:
    corpus = school.corpus(pairs)
    workshop = school.store.workshop(key_of(corpus, school.shop.line.recipe))
    command = [sys.executable, "-c", HOLD_AND_WAIT, str(workshop)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(RunBusy, match=rf"The training of {LINE} is being worked on by process {process.pid}\."):
            school.tune(corpus)
        process.communicate("")
    assert (school.tune(corpus).line, school.trainer.trained) == (LINE, 1)


def test_a_killed_training_goes_on_in_the_same_workshop(school: School, pairs: list[dict[str, object]]) -> None:
    corpus = school.corpus(pairs)
    checkpoint = school.store.workshop(key_of(corpus, school.shop.line.recipe)) / "checkpoint"
    checkpoint.write_text(fingerprint("half way"))
    model = school.tune(corpus)
    assert (Path(model.path) / "checkpoint").read_text() == fingerprint("half way")
