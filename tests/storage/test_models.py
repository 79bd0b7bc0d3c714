"""Tuned models are found by what they are and by how they were made."""

from pathlib import Path

import pytest

from aigc_core.records import ModelVersion
from aigc_core.storage.files import write_text
from aigc_core.storage.models import ModelStore, training_key
from aigc_core.storage.progress import hold, release


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """No model yet."""
    return ModelStore(tmp_path / "models")


def keep(store: ModelStore, digest: str, key: str) -> ModelVersion:
    """A finished training with one file of weights, held while it is kept."""
    workshop = store.workshop(key)
    hold(workshop, "The training")
    write_text(workshop / "weights", f"weights of {digest}")
    model = ModelVersion(line="l", digest=digest, engine="hf", path=str(workshop), base="starter")
    kept = store.keep(workshop, model, f"# {digest}", {"training_key": key})
    release(workshop)
    return kept


def test_before_the_first_training_there_is_nothing(store: ModelStore) -> None:
    assert store.champion() is None
    assert store.trained_under("key") is None


def test_a_kept_model_moves_to_its_digest_with_its_card(store: ModelStore) -> None:
    kept = keep(store, "d1", "key")
    home = store.folder / "d1"
    assert kept.path == str(home)
    assert sorted(path.name for path in home.iterdir()) == ["MODEL_CARD.md", "manifest.json", "weights"]
    assert not list(store.folder.glob(".training-*"))


def test_a_model_is_found_by_digest_and_by_training(store: ModelStore) -> None:
    first, second = keep(store, "d1", "key 1"), keep(store, "d2", "key 2")
    assert store.read("d1") == first
    assert store.trained_under("key 2") == second
    assert store.trained_under("key 3") is None


def test_a_moved_lake_finds_its_models(store: ModelStore, tmp_path: Path) -> None:
    keep(store, "d1", "key")
    store.folder.rename(tmp_path / "elsewhere")
    assert ModelStore(tmp_path / "elsewhere").read("d1").path == str(tmp_path / "elsewhere" / "d1")


def test_keeping_the_same_digest_again_keeps_the_first(store: ModelStore) -> None:
    keep(store, "d1", "key")
    again = keep(store, "d1", "other key")
    assert store.trained_under("key") == again


def test_the_promoted_model_serves(store: ModelStore) -> None:
    first, second = keep(store, "d1", "1"), keep(store, "d2", "2")
    store.promote("d1")
    assert store.champion() == first
    store.promote("d2")
    assert store.champion() == second


def test_a_workshop_is_found_again_after_a_crash(store: ModelStore) -> None:
    write_text(store.workshop("key") / "checkpoint", "half way")
    assert (store.workshop("key") / "checkpoint").read_text() == "half way"


def test_training_keys_tell_settings_apart() -> None:
    assert training_key("corpus", {"lr": 1}) == training_key("corpus", {"lr": 1})
    assert (
        len({training_key("corpus", {"lr": 1}), training_key("corpus", {"lr": 2}), training_key("c", {"lr": 1})}) == 3
    )
