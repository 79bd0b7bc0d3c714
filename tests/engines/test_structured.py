"""What a model writes under a schema is JSON of that schema, whatever the model."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from aigc_core.contracts.steering import schema_text
from aigc_core.engines.base import GeneratedText, TextRequest
from aigc_core.engines.hf import HfEngine
from aigc_core.engines.structured import StructuredTexts, grammar_of, text_of
from aigc_core.errors import MissingExtra, RecipeInvalid
from aigc_core.records import Sampling

CARD: dict[str, object] = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "maxLength": 6},
        "body": {"type": "string", "minLength": 1, "maxLength": 12},
        "colour": {"enum": ["red", "blue", "蓝"]},
        "sizes": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 60}, "maxItems": 3},
    },
    "required": ["title", "body", "colour", "sizes"],
    "additionalProperties": False,
}
SAMPLED = Sampling(temperature=0.9, top_p=0.9, max_new_tokens=100, json_schema=schema_text(CARD))
BODY = replace(SAMPLED, json_text="body")


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def engine(request: pytest.FixtureRequest, make_tiny: Callable[..., str]) -> HfEngine:
    """The first is written in slots, the second in padded batches."""
    return HfEngine(make_tiny(request.param), slots=7, device="cpu")


def written(engine: HfEngine, requests: Sequence[TextRequest], sampling: Sampling) -> dict[str, GeneratedText]:
    return {text.key: text for text in StructuredTexts(engine).generate(requests, sampling=sampling, attempt=1)}


@pytest.mark.parametrize("sampling", [SAMPLED, replace(SAMPLED, temperature=0), replace(SAMPLED, top_k=5)])
def test_every_finished_text_follows_the_schema(
    engine: HfEngine, text_requests: list[TextRequest], sampling: Sampling
) -> None:
    texts = written(engine, text_requests, sampling).values()
    finished = [text for text in texts if text.finish_reason == "stop"]
    assert {text.finish_reason for text in texts} <= {"stop", "length"}
    assert len(finished) >= 12
    for text in finished:
        answer = json.loads(text.text)
        Draft202012Validator(CARD).validate(answer)
        assert list(answer) == ["title", "body", "colour", "sizes"]
        assert text.text == json.dumps(answer, ensure_ascii=False, separators=(",", ":")) or "\\" in text.text


LEAVES = st.sampled_from(
    [
        {"type": "string", "maxLength": 3},
        {"type": "string", "enum": ["a b", "衣", '"']},
        {"type": "integer", "minimum": -5, "maximum": 90},
        {"type": "boolean"},
        {"type": "null"},
        {"const": 1.5},
        {"type": "string", "pattern": "^[A-C]{2}$"},
    ]
)
SCHEMAS = st.dictionaries(
    st.sampled_from(["z", "b", "name", "文"]),
    LEAVES | LEAVES.map(lambda leaf: {"type": "array", "items": leaf, "minItems": 1, "maxItems": 2}),
    min_size=1,
    max_size=3,
)


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(properties=SCHEMAS, temperature=st.sampled_from([0.0, 0.7, 2.0]))
def test_any_schema_is_kept(
    tiny_llama: str, text_requests: list[TextRequest], properties: dict[str, object], temperature: float
) -> None:
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    sampling = Sampling(temperature=temperature, max_new_tokens=80, json_schema=schema_text(schema))
    texts = written(HfEngine(tiny_llama, slots=4, device="cpu"), text_requests[:6], sampling).values()
    assert {text.finish_reason for text in texts} == {"stop"}
    for text in texts:
        Draft202012Validator(schema).validate(json.loads(text.text))


@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(order=st.permutations(range(24)), cut=st.integers(0, 24), slots=st.integers(1, 30))
def test_a_text_under_a_schema_belongs_to_its_request(
    tiny_llama: str, text_requests: list[TextRequest], order: list[int], cut: int, slots: int
) -> None:
    def texts(slots: int, requests: Sequence[TextRequest]) -> dict[str, str]:
        made = written(HfEngine(tiny_llama, slots=slots, device="cpu"), requests, SAMPLED)
        return {key: text.text for key, text in made.items()}

    shuffled = [text_requests[index] for index in order]
    assert texts(slots, shuffled[:cut]) | texts(slots, shuffled[cut:]) == texts(4, text_requests)


def test_the_next_attempt_with_the_same_engine_is_another_text(
    engine: HfEngine, text_requests: list[TextRequest]
) -> None:
    """What the engine keeps of a row's grammar is that of its tokens, not of its key."""
    fresh = {text.key: text.text for text in engine.generate(text_requests, sampling=SAMPLED, attempt=2)}
    list(engine.generate(text_requests, sampling=SAMPLED, attempt=1))
    assert {text.key: text.text for text in engine.generate(text_requests, sampling=SAMPLED, attempt=2)} == fresh


def test_what_the_limit_cuts_is_length_and_no_json(engine: HfEngine, text_requests: list[TextRequest]) -> None:
    texts = written(engine, text_requests, replace(BODY, max_new_tokens=5)).values()
    assert {text.finish_reason for text in texts} == {"length"}
    assert all(text.text.startswith("{") and not text.text.endswith("}") for text in texts)


def test_one_property_becomes_the_text(engine: HfEngine, text_requests: list[TextRequest]) -> None:
    whole, bodies = written(engine, text_requests, SAMPLED), written(engine, text_requests, BODY)
    finished = [key for key, text in whole.items() if text.finish_reason == "stop"]
    for key in finished:
        body = json.loads(whole[key].text)["body"].strip()
        assert (bodies[key].text, bodies[key].finish_reason) == (body, "stop" if body else "error")


def test_a_watermark_goes_with_a_schema(tiny_llama: str, text_requests: list[TextRequest]) -> None:
    from aigc_core.engines.watermark import WatermarkKey, keyed

    key = WatermarkKey("a secret of the tests, 32 characters or more")
    engine = HfEngine(tiny_llama, slots=7, device="cpu")
    engine.mark_with(key)
    for settings_ in ('{"scheme":"kgw"}', '{"scheme":"synthid"}'):
        sampling = replace(SAMPLED, top_k=50, watermark=keyed(settings_, key))
        texts = written(engine, text_requests, sampling).values()
        assert sum(text.finish_reason == "stop" for text in texts) >= 12
        assert not any(text.finish_reason == "error" for text in texts)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("{", "The answer is no JSON: "),
        ('{"title":1,"body":"b","colour":"red","sizes":[]}', "does not follow the schema: 1 is not of type 'string'"),
        ("[]", "does not follow the schema: [] is not of type 'object'"),
        ('{"title":"a","body":"  ","colour":"red","sizes":[]}', "The answer has no text in 'body'."),
    ],
)
def test_an_answer_that_does_not_hold_is_an_error_row(answer: str, said: str) -> None:
    made = GeneratedText(key="k", text=answer, finish_reason="stop", prompt_tokens=3, tokens=7, mean_logprob=-1.0)
    refused = text_of(made, BODY)
    assert said in refused.error
    assert (refused.text, refused.finish_reason, refused.mean_logprob) == ("", "error", None)
    assert (refused.prompt_tokens, refused.tokens) == (3, 7)


def test_a_schema_no_grammar_holds_is_refused() -> None:
    with pytest.raises(RecipeInvalid, match="`json_schema` cannot be held while writing"):
        grammar_of('{"type":"object","properties":{"a":{"not":{"type":"string"}}}}')


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llguidance", None)
    with pytest.raises(MissingExtra, match=r'pip install "aigc\[structured\]"'):
        grammar_of(schema_text(CARD))
