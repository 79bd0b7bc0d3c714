"""The engine over a server, against a real one on this machine that misbehaves."""

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from local_server import MODEL, FaultyServer, serving, until
from pydantic import ValidationError

from aigc_core.contracts.endpoint import Endpoint
from aigc_core.engines.base import GeneratedText, TextRequest
from aigc_core.engines.completions import Answer, body_of, text_of
from aigc_core.engines.endpoint import EndpointEngine, Patience
from aigc_core.errors import ModelInvalid
from aigc_core.events import LOGGER_NAME
from aigc_core.ids import seed_of
from aigc_core.records import Sampling

SAMPLING = Sampling(temperature=0.8, top_p=0.9, top_k=7, max_new_tokens=12, stop=("\n",))
HURRIED = Patience(tries=3, first_seconds=0.01, longest_seconds=0.02)
KEY = "sk-very-secret-0123456789"


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with serving() as server:
        yield server


def engine_of(server: FaultyServer, *, key: str | None = None, **settings: object) -> EndpointEngine:
    endpoint = Endpoint.model_validate({"url": server.url, "model": MODEL, "timeout_seconds": 1} | settings)
    return EndpointEngine(endpoint, key=key, patience=HURRIED)


def asked(*prompts: str) -> list[TextRequest]:
    return [TextRequest(key=f"key {prompt}", locale="en", prompt=prompt, attributes=()) for prompt in prompts]


def write(engine: EndpointEngine, requests: list[TextRequest], attempt: int = 1) -> dict[str, GeneratedText]:
    texts = list(engine.generate(requests, sampling=SAMPLING, attempt=attempt))
    assert len(texts) == len(requests)
    return {text.key.removeprefix("key "): text for text in texts}


FINAL = {
    "!html": "Given up after 3 calls: The answer is not JSON.",
    "!empty": "Given up after 3 calls: The answer holds 0 choices, not one.",
    "!huge": "The answer is longer than 4,194,304 bytes.",
    "!other": "Given up after 3 calls: The answer belongs to another request.",
    "!hangup": "Given up after 3 calls: The connection failed: RemoteProtocolError",
    "!cut": "Given up after 3 calls: The connection failed: RemoteProtocolError",
    "!never": "Given up after 3 calls: No answer within 1 s.",
    "!500": "Given up after 3 calls: The server answered 500: no",
    "!429": "Given up after 3 calls: The server answered 429: no",
    "!model": "Model 'somebody else' answered, not 'tiny'.",
    "!usage": "The answer does not say its completion_tokens",
    "!filter": "The answer holds no finished text: finish_reason content_filter.",
    "!400": "The server answered 400: no",
    "!302": "The server answered 302: no",
}


def test_every_fault_ends_as_stated_and_leaves_its_neighbours_alone(server: FaultyServer) -> None:
    good = [f"coat {number}" for number in range(20)]
    texts = write(engine_of(server), asked(*good[:10], *FINAL, "!slow", *good[10:]))
    for prompt, reason in FINAL.items():
        assert texts[prompt].finish_reason == "error"
        assert texts[prompt].error.startswith(reason)
        assert server.calls[prompt] == (3 if reason.startswith("Given up") else 1)
    for prompt in [*good, "!slow"]:
        seed = seed_of(f"key {prompt}", 1)
        assert texts[prompt].text == f"{prompt.upper()} {seed % 97}"
        assert (texts[prompt].finish_reason, texts[prompt].tokens) == ("stop", 5)


def test_tokens_of_distrusted_answers_are_counted_as_discarded(server: FaultyServer) -> None:
    assert write(engine_of(server), asked("!other"))["!other"].discarded_tokens == 15


def test_retry_after_is_waited_for(server: FaultyServer) -> None:
    started = time.monotonic()
    text = write(engine_of(server), asked("!once"))["!once"]
    assert text.finish_reason == "stop"
    assert time.monotonic() - started >= 0.4


def test_a_text_has_a_deadline_over_all_its_calls(server: FaultyServer) -> None:
    texts = write(engine_of(server, deadline_seconds=0.3), asked("!never", "coat"))
    assert texts["!never"].error == "No answer within 0.3 s."
    assert texts["coat"].finish_reason == "stop"


def test_the_deadline_of_a_text_does_not_run_while_it_waits_for_its_turn() -> None:
    with serving(seconds=0.1, bears=2) as server:
        engine = EndpointEngine(
            Endpoint(url=server.url, model=MODEL, concurrency=32, deadline_seconds=0.5),
            patience=Patience(tries=20, first_seconds=0.01, longest_seconds=0.02),
        )
        started = time.monotonic()
        texts = write(engine, asked(*(f"coat {number}" for number in range(60))))
        assert time.monotonic() - started > 2.5
        assert {text.error for text in texts.values()} == {""}


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_can_never_work_stops_at_once(server: FaultyServer, status: int) -> None:
    with pytest.raises(ModelInvalid, match=f"answered {status} for model tiny"):
        write(engine_of(server), asked(*(f"!{status} {number}" for number in range(50))))
    assert sum(server.calls.values()) <= 8


def test_a_refusal_after_good_answers_is_a_row(server: FaultyServer) -> None:
    engine = engine_of(server)
    write(engine, asked("coat"))
    assert write(engine, asked("!404"))["!404"].error == "The server answered 404: no"


def test_chat_answers_tell_their_log_probability() -> None:
    (request,) = asked("coat")
    said = {
        "model": MODEL,
        "choices": [
            {
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": "A coat."},
                "logprobs": {"content": [{"logprob": -0.5}, {"logprob": -1.5}]},
            }
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
    }
    endpoint = Endpoint(url="http://host/v1", model=MODEL, api="chat")
    text = text_of(Answer(content=json.dumps(said).encode(), named=""), request, endpoint, 1)
    assert (text.text, text.mean_logprob, text.tokens) == ("A coat.", -1.0, 2)


def test_nobody_there_is_said() -> None:
    endpoint = Endpoint(url="http://127.0.0.1:9/v1", model=MODEL)
    with pytest.raises(ModelInvalid, match=r"Nothing answers at http://127.0.0.1:9/v1"):
        list(EndpointEngine(endpoint, patience=HURRIED).generate(asked("coat"), sampling=SAMPLING, attempt=1))


def test_the_key_is_sent_and_never_shown(server: FaultyServer, caplog: pytest.LogCaptureFixture) -> None:
    engine = engine_of(server, key=KEY)
    with caplog.at_level(logging.DEBUG):
        text = write(engine, asked("!leak"))["!leak"]
    assert server.authorised == {f"Bearer {KEY}"}
    assert text.error == "The server answered 400: bad key Bearer ***"
    assert KEY not in caplog.text
    assert KEY not in repr(engine)
    assert engine.model_digest == engine_of(server).model_digest


def test_a_key_that_no_header_holds_is_refused_unseen(server: FaultyServer) -> None:
    with pytest.raises(ModelInvalid, match="AIGC_ENDPOINT_KEY") as refused:
        engine_of(server, key=f"{KEY}\n")
    assert KEY not in str(refused.value)


def test_what_is_sent(server: FaultyServer) -> None:
    write(engine_of(server, extra={"min_p": 0.1}), asked("coat"), attempt=2)
    assert server.bodies == [
        {
            "min_p": 0.1, "model": MODEL, "max_tokens": 12, "temperature": 0.8, "seed": seed_of("key coat", 2),
            "prompt": "coat", "top_p": 0.9, "top_k": 7, "stop": ["\n"],
        }
    ]  # fmt: skip


def test_turns_are_said_in_chat_and_refused_elsewhere(server: FaultyServer) -> None:
    request = TextRequest(key="key coat", locale="en", prompt="coat", attributes=(), turns=(("system", "Be brief."),))
    assert write(engine_of(server, api="chat"), [request])["coat"].finish_reason == "stop"
    assert server.bodies[0]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "coat"},
    ]
    assert "api: chat" in write(engine_of(server), [request])["coat"].error


def test_calls_in_flight_follow_what_the_server_bears() -> None:
    with serving(seconds=0.02, bears=6) as server:
        engine = EndpointEngine(
            Endpoint(url=server.url, model=MODEL, concurrency=32),
            patience=Patience(tries=20, first_seconds=0.01, longest_seconds=0.05),
        )
        texts = write(engine, asked(*(f"coat {number}" for number in range(300))))
        assert all(text.finish_reason == "stop" for text in texts.values())
        assert 6 <= server.most_in_flight <= 16
        assert server.refused < 100


def test_a_strong_server_gets_all_the_calls_that_are_allowed() -> None:
    with serving(seconds=0.1) as server:
        write(engine_of(server, concurrency=12), asked(*(f"coat {number}" for number in range(150))))
        assert server.most_in_flight == 12


def test_leaving_early_ends_the_calls(server: FaultyServer) -> None:
    engine = engine_of(server, concurrency=4, timeout_seconds=30)
    texts = engine.generate(
        asked("coat", *["!never"] * 3, *(f"coat {n}" for n in range(50))), sampling=SAMPLING, attempt=1
    )
    next(texts)
    texts.close()  # type: ignore[attr-defined]
    time.sleep(0.5)  # what was on the wire arrives
    called = sum(server.calls.values())
    assert called < 30
    assert not until(lambda: sum(server.calls.values()) > called, 0.3)


def test_runs_inside_a_loop_that_runs(server: FaultyServer) -> None:
    async def inside() -> int:
        return len(write(engine_of(server), asked("coat", "shoe")))

    assert asyncio.run(inside()) == 2


def test_progress_is_reported(server: FaultyServer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, LOGGER_NAME):
        write(engine_of(server), asked("coat", "shoe"))
    last = [record for record in caplog.records if record.name == LOGGER_NAME][-1].__dict__["progress"]
    assert (last.stage, last.done, last.total, last.tokens) == ("generate", 2, 2, 10)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": "http://me:pw@host/v1"}, "AIGC_ENDPOINT_KEY"),
        ({"url": "http://host/v1?key=1"}, "AIGC_ENDPOINT_KEY"),
        ({"url": "ftp://host/v1"}, "http or https"),
        ({"extra": {"seed": 1}}, "may not hold seed"),
    ],
)
def test_what_an_endpoint_may_not_be(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Endpoint.model_validate({"url": "http://host/v1", "model": MODEL} | settings)


def test_identity_follows_address_model_revision_and_api() -> None:
    plain = Endpoint(url="http://host/v1", model=MODEL)
    others: list[dict[str, object]] = [
        {"url": "http://host:1/v1"},
        {"model": "b"},
        {"revision": "2"},
        {"api": "chat"},
        {"extra": {"a": 1}},
    ]
    digests = {Endpoint.model_validate(plain.model_dump() | other).digest for other in others}
    assert len(digests | {plain.digest}) == 6
    assert plain.model_copy(update={"concurrency": 3}).digest == plain.digest


def test_a_schema_is_sent_as_the_form_of_the_answer() -> None:
    schema = '{"properties":{"text":{"type":"string"}},"type":"object"}'
    (request,) = asked("coat")
    body = body_of(request, Endpoint(url="http://host/v1", model=MODEL), replace(SAMPLING, json_schema=schema), 1)
    form = body["response_format"]
    assert isinstance(form, dict)
    assert form["type"] == "json_schema"
    assert form["json_schema"]["schema"]["properties"] == {"text": {"type": "string"}}
