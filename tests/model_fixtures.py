"""Tiny random models, made from configurations."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aigc_core.engines.base import TextRequest
from aigc_core.engines.loading import quiet
from aigc_core.engines.starter import make_tokenizer

WORDS = ["a", "red", "coat", "of", "blue", "cotton", "<eos>", "衣服", "size"]
VOCABULARY = 400
CONTEXT = 128

ModelMaker = Callable[..., str]


def _configuration(kind: str, vocabulary: int) -> dict[str, Any]:
    shared = {
        "vocab_size": vocabulary,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "initializer_range": 0.1,
    }
    if kind == "gpt2":
        return shared | {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": CONTEXT}
    return shared | {
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": True,
    }


@pytest.fixture(scope="session")
def make_tiny(tmp_path_factory: pytest.TempPathFactory) -> ModelMaker:
    """A function from architecture and settings to a model folder."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    tokenizer = make_tokenizer([" ".join(WORDS)] * 5, VOCABULARY)

    def make(kind: str, **settings: object) -> str:
        folder = tmp_path_factory.mktemp(kind)
        configuration = _configuration(kind, len(tokenizer)) | settings
        with quiet(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
                AutoConfig.for_model(kind, **configuration)
            )
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
        return str(folder)

    return make


@pytest.fixture(scope="session")
def tiny_llama(make_tiny: ModelMaker) -> str:
    return make_tiny("llama")


@pytest.fixture
def own_copy(tiny_llama: str, tmp_path: Path) -> Path:
    """A model folder the test may spoil."""
    import shutil

    return Path(shutil.copytree(tiny_llama, tmp_path / "model"))


@pytest.fixture(scope="session")
def text_requests() -> list[TextRequest]:
    """24 requests with prompts of 1 to 24 words."""
    return [
        TextRequest(
            key=f"request-{number}",
            locale="zh" if number % 3 == 0 else "en",
            prompt=" ".join(WORDS[(number + place) % len(WORDS)] for place in range(1 + number * 7 % 24)),
            attributes=(("type", "coat"), ("colour", "red"), ("colour", "blue")),
        )
        for number in range(24)
    ]
