import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aigc_core.engines.base import GeneratedText, Generator, TextRequest
from aigc_core.engines.ct2 import Ct2Engine
from aigc_core.engines.hf import HfEngine
from aigc_core.engines.loading import folder_digest
from aigc_core.engines.variants import Ct2Dtype, convert, ct2_dtype
from aigc_core.errors import MissingExtra, ModelInvalid
from aigc_core.records import Sampling

GREEDY = Sampling(temperature=0, max_new_tokens=24)
SAMPLED = Sampling(temperature=0.9, top_p=0.9, max_new_tokens=24)
Opener = Callable[..., Ct2Engine]


@pytest.fixture
def opened(tmp_path: Path) -> Opener:
    """A function from a model folder to the engine over its conversion."""

    def make(folder: str, dtype: Ct2Dtype = "float32", **options: Any) -> Ct2Engine:  # noqa: ANN401
        target = tmp_path / f"converted-{dtype}"
        convert(Path(folder), folder_digest(folder), target, dtype)
        return Ct2Engine(folder, str(target), **options)

    return make


def written(
    engine: Generator, requests: list[TextRequest], sampling: Sampling = GREEDY, attempt: int = 1
) -> dict[str, GeneratedText]:
    return {text.key: text for text in engine.generate(requests, sampling=sampling, attempt=attempt)}


@pytest.mark.parametrize(
    ("kind", "options"),
    [("llama", {}), ("qwen2", {"vocab_size": 300}), ("qwen3", {}), ("mistral", {"sliding_window": None}), ("gpt2", {})],
)
def test_greedy_texts_are_those_of_hf(
    make_tiny: Callable[..., str],
    opened: Opener,
    text_requests: list[TextRequest],
    kind: str,
    options: dict[str, object],
) -> None:
    """With limits of their own, stop strings and loops as well."""
    folder = make_tiny(kind, **options)
    hf, ct2 = HfEngine(folder, slots=7, device="cpu"), opened(folder, slots=7)
    own = [replace(one, limit=3 + number % 4) for number, one in enumerate(text_requests)]
    for sampling in (GREEDY, replace(GREEDY, repetition_window=2, stop=(" red",))):
        assert written(ct2, own, sampling) == written(hf, own, sampling)
        assert written(ct2, text_requests, sampling) == written(hf, text_requests, sampling)


def test_a_text_ends_at_any_of_the_models_end_tokens(
    own_copy: Path, opened: Opener, text_requests: list[TextRequest]
) -> None:
    free = written(HfEngine(str(own_copy), device="cpu"), text_requests)
    settings = json.loads((own_copy / "generation_config.json").read_text("utf-8"))
    settings["eos_token_id"] = [2, *range(200, 290)]
    (own_copy / "generation_config.json").write_text(json.dumps(settings), "utf-8")
    hf, ct2 = HfEngine(str(own_copy), device="cpu"), opened(str(own_copy))
    expected, came = written(hf, text_requests), written(ct2, text_requests)
    assert {text.finish_reason for text in came.values()} >= {"stop"}
    assert came != free
    bare = [{key: replace(text, mean_logprob=None) for key, text in texts.items()} for texts in (expected, came)]
    assert bare[0] == bare[1]


def test_sampled_texts_are_drawn_anew_each_time(
    tiny_llama: str, opened: Opener, text_requests: list[TextRequest]
) -> None:
    engine = opened(tiny_llama)
    first, second = written(engine, text_requests, SAMPLED), written(engine, text_requests, SAMPLED)
    assert sum(first[key].text != second[key].text for key in first) > len(first) / 2


def test_int8_computes_in_int8(tiny_llama: str, opened: Opener, text_requests: list[TextRequest]) -> None:
    engine = opened(tiny_llama, "int8")
    assert (engine.engine, engine.dtype, engine.model_digest) == ("ct2", "int8", folder_digest(tiny_llama))
    exact = written(HfEngine(tiny_llama, device="cpu"), text_requests)
    same = [text.text == exact[key].text for key, text in written(engine, text_requests).items()]
    assert any(same)
    assert not all(same)


def test_a_model_gone_wrong_gives_error_rows(own_copy: Path, opened: Opener, text_requests: list[TextRequest]) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    weights = load_file(own_copy / "model.safetensors")
    weights["model.norm.weight"].fill_(torch.nan)
    save_file(weights, own_copy / "model.safetensors", metadata={"format": "pt"})
    engine = opened(str(own_copy))
    for sampling in (GREEDY, replace(GREEDY, repetition_window=2)):
        for text in written(engine, text_requests[:3], sampling).values():
            assert (text.finish_reason, text.error) == ("error", "The model gave no finite probabilities.")


class Cramped:
    """The library's generator where memory holds three rows; one prompt it cannot take at all."""

    def __init__(self, inner: Any, poison: str) -> None:  # noqa: ANN401
        self.inner, self.poison, self.sizes = inner, poison, list[int]()

    def generate_batch(self, prompts: list[list[str]], **options: object) -> object:
        self.sizes.append(len(prompts))
        if len(prompts) > 3:
            raise MemoryError
        if any(self.poison in prompt for prompt in prompts):
            raise RuntimeError("Unknown piece")
        return self.inner.generate_batch(prompts, **options)


def test_what_does_not_go_together_goes_in_halves(
    tiny_llama: str, opened: Opener, text_requests: list[TextRequest]
) -> None:
    engine = opened(tiny_llama)
    whole = written(engine, text_requests)
    cramped = Cramped(engine._opened[0], poison="Q")
    engine._opened[0] = cramped
    bad = replace(text_requests[0], key="bad", prompt="red Q coat")
    came = written(engine, [*text_requests, bad])
    assert came.pop("bad").error == "The engine failed: RuntimeError: Unknown piece"
    assert came == whole
    engine._opened[0] = Cramped(cramped.inner, poison="Q")
    written(engine, text_requests)
    assert max(engine._opened[0].sizes) <= 3


def test_an_architecture_the_library_does_not_know_is_refused(make_tiny: Callable[..., str], tmp_path: Path) -> None:
    folder = make_tiny("olmo")
    with pytest.raises(ModelInvalid, match=r"cannot convert.*OlmoConfig.*--engine hf"):
        convert(Path(folder), "digest", tmp_path / "model", "float32")


def test_a_sliding_window_is_refused(make_tiny: Callable[..., str], tmp_path: Path) -> None:
    folder = make_tiny("mistral", sliding_window=8)
    with pytest.raises(ModelInvalid, match="window of 8 tokens"):
        convert(Path(folder), "digest", tmp_path / "model", "float32")


def test_a_variant_of_another_model_or_damaged_is_refused(
    tiny_llama: str, make_tiny: Callable[..., str], opened: Opener, tmp_path: Path
) -> None:
    opened(tiny_llama)
    variant = tmp_path / "converted-float32"
    with pytest.raises(ModelInvalid, match="made from another model"):
        Ct2Engine(make_tiny("qwen3"), str(variant))
    with (variant / "model.bin").open("r+b") as file:
        file.seek(1000)
        file.write(b"\xff\xff")
    with pytest.raises(ModelInvalid, match="is damaged"):
        Ct2Engine(tiny_llama, str(variant))


def test_without_the_package_its_pip_line_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    with pytest.raises(MissingExtra, match=r"pip install 'aigc\[ct2\]'"):
        convert(tmp_path, "digest", tmp_path / "model", "float32")


def test_numeric_types() -> None:
    assert [ct2_dtype("auto"), ct2_dtype("float32"), ct2_dtype("int8")] == ["float32", "float32", "int8"]
    with pytest.raises(ModelInvalid, match="bfloat16"):
        ct2_dtype("bfloat16")


def test_a_process_that_looked_into_texts_ends_in_peace(tiny_llama: str, opened: Opener, tmp_path: Path) -> None:
    """The library's threads must be gone before the interpreter is, or the process aborts at its end."""
    opened(tiny_llama)
    script = f"""
from aigc_core.engines.base import TextRequest
from aigc_core.engines.ct2 import Ct2Engine
from aigc_core.records import Sampling
engine = Ct2Engine({tiny_llama!r}, {str(tmp_path / "converted-float32")!r})
asked = [TextRequest(key="k", locale="en", prompt="a red coat", attributes=())]
print(len(list(engine.generate(asked, sampling=Sampling(temperature=0, repetition_window=3), attempt=1))))
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "1\n"), ended.stderr
