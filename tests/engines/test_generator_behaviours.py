"""What every generator keeps to, over all of them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from local_server import MODEL, serving

from aigc_core.contracts.endpoint import Endpoint
from aigc_core.engines.base import GeneratedText, Generator, TextRequest
from aigc_core.engines.ct2 import Ct2Engine
from aigc_core.engines.endpoint import EndpointEngine
from aigc_core.engines.hf import HfEngine
from aigc_core.engines.loading import folder_digest
from aigc_core.engines.template import TemplateEngine
from aigc_core.engines.variants import convert
from aigc_core.engines.vllm import VllmEngine
from aigc_core.records import Sampling

SAMPLING = Sampling(temperature=0.8, top_p=0.9, max_new_tokens=12)


class Greedy(Ct2Engine):
    """The engine as it is asked without sampling."""

    def generate(self, requests: Sequence[TextRequest], *, sampling: Sampling, attempt: int) -> Iterator[GeneratedText]:
        return super().generate(requests, sampling=replace(sampling, temperature=0), attempt=attempt)


@pytest.fixture(scope="module")
def converted(tiny_llama: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The tiny model for CTranslate2."""
    folder = tmp_path_factory.mktemp("converted") / "model"
    convert(Path(tiny_llama), folder_digest(tiny_llama), folder, "float32")
    return str(folder)


@pytest.fixture
def exact(generator: Generator) -> Generator:
    """The generator where equal requests get equal texts."""
    if generator.engine == "ct2" and not isinstance(generator, Greedy):
        pytest.skip("CTranslate2 draws sampled texts from one stream a thread: they are not the same twice")
    return generator


@pytest.fixture(scope="module", params=["template", "hf", "ct2", "ct2 greedy", "endpoint", "vllm"])
def generator(request: pytest.FixtureRequest, tiny_llama: str, converted: str) -> Iterator[Generator]:
    if request.param == "template":
        yield TemplateEngine({"en": "A {{ attributes.type }}.", "zh": "{{ attributes.colour }}"})
    elif request.param == "hf":
        yield HfEngine(tiny_llama, slots=5, device="cpu")
    elif request.param == "ct2":
        yield Ct2Engine(tiny_llama, converted, slots=5)
    elif request.param == "ct2 greedy":
        yield Greedy(tiny_llama, converted, slots=5)
    elif request.param == "vllm":
        pytest.importorskip("vllm")
        yield VllmEngine(tiny_llama, dtype="float32")
    else:
        with serving() as server:
            yield EndpointEngine(Endpoint(url=server.url, model=MODEL))


def write(generator: Generator, requests: Sequence[TextRequest], attempt: int = 1) -> list[GeneratedText]:
    return list(generator.generate(requests, sampling=SAMPLING, attempt=attempt))


def by_key(texts: Iterable[GeneratedText]) -> dict[str, GeneratedText]:
    """Without the log-probability: its last digit may follow the neighbours, the text never does."""
    return {text.key: replace(text, mean_logprob=None) for text in texts}


def test_one_text_a_request_under_its_key(generator: Generator, text_requests: list[TextRequest]) -> None:
    keys = [text.key for text in write(generator, text_requests)]
    assert sorted(keys) == sorted(request.key for request in text_requests)


def test_order_changes_nothing(exact: Generator, text_requests: list[TextRequest]) -> None:
    assert by_key(write(exact, text_requests)) == by_key(write(exact, text_requests[::-1]))


def test_splitting_changes_nothing(exact: Generator, text_requests: list[TextRequest]) -> None:
    parts = [*write(exact, text_requests[:7]), *write(exact, text_requests[7:])]
    assert by_key(parts) == by_key(write(exact, text_requests))


def test_repeats_exactly(exact: Generator, text_requests: list[TextRequest]) -> None:
    once, again = ({text.key: text for text in write(exact, text_requests)} for _ in range(2))
    assert once == again


def test_nothing_asked_nothing_written(generator: Generator) -> None:
    assert write(generator, []) == []


def test_what_cannot_be_served_is_an_error_row(generator: Generator, text_requests: list[TextRequest]) -> None:
    hopeless = replace(text_requests[0], key="hopeless", locale="fr", prompt="coat " * 500)
    texts = by_key(write(generator, [hopeless, *text_requests]))
    assert texts["hopeless"].finish_reason == "error"
    assert texts["hopeless"].text == ""
    assert texts["hopeless"].error
    assert len(texts) == len(text_requests) + 1


def test_an_error_leaves_the_neighbours_alone(exact: Generator, text_requests: list[TextRequest]) -> None:
    hopeless = replace(text_requests[0], key="hopeless", locale="fr", prompt="coat " * 500)
    texts = by_key(write(exact, [hopeless, *text_requests]))
    del texts["hopeless"]
    assert texts == by_key(write(exact, text_requests))


def test_texts_are_stripped_and_reasons_known(generator: Generator, text_requests: list[TextRequest]) -> None:
    for text in write(generator, text_requests):
        assert text.text == text.text.strip()
        assert text.finish_reason in ("stop", "length")


def test_has_an_identity(generator: Generator) -> None:
    assert generator.engine in ("template", "hf", "ct2", "endpoint", "vllm")
    assert len(generator.model_digest) >= 32
    assert generator.dtype
