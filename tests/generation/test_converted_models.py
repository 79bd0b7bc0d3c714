"""A converted model serves where its texts are those of its source, and nowhere else."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from shop import LINE, RECIPE, Shop, item, read_line

from aigc_core.contracts.recipe import Recipe
from aigc_core.engines.loading import folder_digest
from aigc_core.engines.variants import convert, read_variant
from aigc_core.errors import ModelInvalid
from aigc_core.generation.variants import PROMPTS, parity_prompts, serve_converted
from aigc_core.records import ModelVersion
from aigc_core.storage.delta import Table
from aigc_core.storage.models import ModelStore

pytest_plugins = ("shop_fixtures",)
ASKED = tuple(" ".join(["red", "coat", "blue"][place % 3] for place in range(number)) for number in range(1, 13))


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """No model yet."""
    return ModelStore(tmp_path / "models")


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[..., Recipe]:
    """A function from settings of generation to the small line's recipe."""

    def make(**settings: object) -> Recipe:
        base: Any = RECIPE["generation"]
        sampling = {"max_new_tokens": 12}
        return read_line(tmp_path / "lines", generation={**base, "sampling": sampling, **settings}).recipe

    return make


def model_in(folder: str) -> ModelVersion:
    return ModelVersion(line=LINE, digest=folder_digest(folder), engine="hf", path=folder, base="tiny")


def unasked() -> Sequence[str]:
    raise AssertionError("measured twice")


def test_it_is_made_once_and_the_model_keeps_its_identity(
    tiny_llama: str, store: ModelStore, recipe: Callable[..., Recipe]
) -> None:
    before = sorted(Path(tiny_llama).rglob("*"))
    model = model_in(tiny_llama)
    served = serve_converted(model, recipe(), store, lambda: ASKED)
    assert (served.engine, served.digest, served.path) == ("ct2", model.digest, model.path)
    made = read_variant(Path(served.variant))
    assert made is not None
    assert made.parity is not None
    assert (made.source, made.dtype, made.parity.prompts, made.parity.equal) == (model.digest, "float32", 12, 1.0)
    assert serve_converted(model, recipe(), store, unasked) == served
    assert sorted(Path(tiny_llama).rglob("*")) == before


def test_too_few_equal_texts_are_refused_with_the_numbers(
    tiny_llama: str, store: ModelStore, recipe: Callable[..., Recipe]
) -> None:
    """Rounded to 8 bits a random model writes some other texts; what is measured once is judged again, not measured."""
    model = model_in(tiny_llama)
    with pytest.raises(ModelInvalid, match=r"int8 is refused: of 12 greedy texts \d+\.\d% are equal.*100\.0% must be"):
        serve_converted(model, recipe(dtype="int8", parity=1), store, lambda: ASKED)
    with pytest.raises(ModelInvalid, match="is refused"):
        serve_converted(model, recipe(dtype="int8", parity=1), store, unasked)
    assert serve_converted(model, recipe(dtype="int8", parity=0.1), store, unasked).variant.endswith("ct2-int8")


def test_a_conversion_gone_wrong_is_refused(
    tiny_llama: str,
    make_tiny: Callable[..., str],
    store: ModelStore,
    recipe: Callable[..., Recipe],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = Path(make_tiny("llama", initializer_range=0.2))
    monkeypatch.setattr("aigc_core.generation.variants.convert", lambda _, *rest: convert(other, *rest))
    for dtype in ("float32", "int8"):
        with pytest.raises(ModelInvalid, match=rf"{dtype} is refused: of 12 greedy texts \d\.\d% are equal"):
            serve_converted(model_in(tiny_llama), recipe(dtype=dtype), store, lambda: ASKED)


def test_prompts_that_no_engine_can_answer_prove_nothing(
    tiny_llama: str, store: ModelStore, recipe: Callable[..., Recipe]
) -> None:
    with pytest.raises(ModelInvalid, match="of 0 greedy texts"):
        serve_converted(model_in(tiny_llama), recipe(), store, lambda: ["red " * 500])


def test_what_is_damaged_is_made_anew(tiny_llama: str, store: ModelStore, recipe: Callable[..., Recipe]) -> None:
    model = model_in(tiny_llama)
    served = serve_converted(model, recipe(), store, lambda: ASKED)
    (Path(served.variant) / "model.bin").write_bytes(b"cut off")
    assert read_variant(Path(served.variant)) is None
    assert serve_converted(model, recipe(), store, lambda: ASKED) == served
    assert read_variant(Path(served.variant)) is not None


def test_killed_while_it_is_made_nothing_stands_there(
    tiny_llama: str, store: ModelStore, recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    made = recipe()
    script = f"""
import os, signal
from pathlib import Path
from aigc_core.contracts.recipe import Recipe
from aigc_core.generation.variants import serve_converted
from aigc_core.records import ModelVersion
from aigc_core.storage.models import ModelStore
recipe = Recipe.model_validate_json({made.model_dump_json()!r})
model = ModelVersion(line="l", digest={folder_digest(tiny_llama)!r}, engine="hf", path={tiny_llama!r}, base="tiny")
serve_converted(model, recipe, ModelStore(Path({str(store.folder)!r})), lambda: os.kill(os.getpid(), signal.SIGKILL))
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode == -9, ended.stderr
    home = store.variant(folder_digest(tiny_llama), "ct2-float32")
    assert not home.exists()
    assert any(home.parent.rglob("model.bin"))
    served = serve_converted(model_in(tiny_llama), made, store, lambda: ASKED)
    assert served.variant == str(home)
    assert [path.parent for path in home.parent.rglob("model.bin")] == [home]


def test_prompts_are_those_of_held_out_pairs_and_the_same_each_time(shop: Shop) -> None:
    texts = {"text_en": "A fine bottle, easy to live with at home.", "text_zh": "这是一只好用的瓶子，用着顺手。"}
    rows = [item(number, **{name: f"{text} {'I' * number}" for name, text in texts.items()}) for number in range(20)]
    shop.ingest(rows)
    table, nothing = shop.corpus_tables.pairs, Table(str(shop.root / "nothing"))
    drawn = parity_prompts(shop.line.recipe, table, nothing)
    assert drawn == parity_prompts(shop.line.recipe, table, nothing)
    held_out = table.dataset().to_table(columns=["item_id", "held_out"]).to_pylist()
    names = [f"capacity {250 + int(row['item_id'][2:])} ml" for row in held_out if row["held_out"]]
    assert 0 < len(names) < len(held_out)
    assert all(any(name in prompt for name in names) for prompt in drawn)
    assert len(drawn) == len(names) <= PROMPTS


def test_without_pairs_the_items_serve_and_without_either_it_says_so(shop: Shop) -> None:
    nothing = Table(str(shop.root / "nothing"))
    with pytest.raises(ModelInvalid, match=rf"no pairs and no items yet.*aigc ingest {LINE}"):
        parity_prompts(shop.line.recipe, nothing, nothing)
    shop.requests([item(1), item(2)])
    drawn = parity_prompts(shop.line.recipe, nothing, shop.catalogue_tables.items)
    assert sorted(prompt[:2] for prompt in drawn) == ["en", "en", "zh", "zh"]
