"""What a text's request and sampling may ask for, and that it holds beside any neighbours."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_core.engines import slots as slots_module
from aigc_core.engines.base import GeneratedText, TextRequest
from aigc_core.engines.chat import chat_ids
from aigc_core.engines.decoder import DOES_NOT_FIT
from aigc_core.engines.hf import HfEngine
from aigc_core.engines.loading import dtype_for, load_tokenizer
from aigc_core.engines.memory import is_out_of_memory
from aigc_core.engines.prefixes import SHORTEST, shared_beginnings
from aigc_core.engines.rows import Row, Stopping
from aigc_core.engines.stopping import Spelling
from aigc_core.errors import ModelInvalid
from aigc_core.records import Sampling

GREEDY = Sampling(temperature=0, max_new_tokens=16)
SAMPLED = Sampling(temperature=0.9, top_p=0.9, max_new_tokens=16)
TEMPLATE = (
    "{% for message in messages %}<bos>{{ message.role }}\n{{ message.content }}<eos>\n{% endfor %}"
    "{% if add_generation_prompt %}<bos>assistant\n{% endif %}"
)


@pytest.fixture(scope="module")
def engine(tiny_llama: str) -> HfEngine:
    return HfEngine(tiny_llama, slots=6, device="cpu")


@pytest.fixture
def chatty(own_copy: Path) -> Path:
    (own_copy / "chat_template.jinja").write_text(TEMPLATE)
    return own_copy


def write(
    engine: HfEngine, requests: Sequence[TextRequest], sampling: Sampling, attempt: int = 1
) -> dict[str, GeneratedText]:
    written = engine.generate(requests, sampling=sampling, attempt=attempt)
    return {text.key: replace(text, mean_logprob=None) for text in written}


def begun_alike(requests: Sequence[TextRequest]) -> list[TextRequest]:
    """Three groups of prompts that share 40 words, some ending with them, and some prompts of their own."""
    starts = ["red coat of blue cotton size a of " * 5, "blue coat of red cotton size a of " * 5, "a " * 40, ""]
    return [replace(request, prompt=starts[n % 4] + request.prompt) for n, request in enumerate(requests)]


# Shared beginnings


@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
@pytest.mark.parametrize("slots", [1, 5, 24])
def test_shared_beginnings_change_nothing(
    tiny_llama: str, text_requests: list[TextRequest], sampling: Sampling, slots: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = begun_alike(text_requests)
    engine = HfEngine(tiny_llama, slots=slots, device="cpu")
    shared = write(engine, requests, sampling)
    monkeypatch.setattr(slots_module, "shared_beginnings", lambda prompts: [0] * len(prompts))
    assert write(engine, requests, sampling) == shared


def test_a_shared_beginning_is_computed_once(
    engine: HfEngine, text_requests: list[TextRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    forward = slots_module.SlotDecoder._forward

    def counting(decoder: object, cache: object, tokens: torch.Tensor, *rest: object) -> torch.Tensor:
        seen.append(tokens.shape[1])
        return forward(decoder, cache, tokens, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(slots_module.SlotDecoder, "_forward", counting)
    starts = "red coat of blue " * 12
    write(engine, [replace(one, prompt=f"{starts}{n} {one.prompt}") for n, one in enumerate(text_requests)], GREEDY)
    assert sum(length > 40 for length in seen) == 1


def test_each_of_many_beginnings_is_computed_once(
    engine: HfEngine, text_requests: list[TextRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twelve of them, over rows whose order of length mixes them."""
    begun: list[tuple[int, ...]] = []
    forward = slots_module.SlotDecoder._forward

    def noting(decoder: object, cache: object, tokens: torch.Tensor, *rest: object) -> torch.Tensor:
        if len(tokens) == 1 and tokens.shape[1] >= SHORTEST:
            begun.append(tuple(tokens[0].tolist()))
        return forward(decoder, cache, tokens, *rest)  # type: ignore[arg-type]

    starts = [f"{letter} {'red coat of ' * 14}" for letter in "abcdefghijkl"]
    requests = [
        replace(one, key=f"{one.key} {turn}", prompt=starts[(n + turn) % 12] + one.prompt)
        for turn in range(3)
        for n, one in enumerate(text_requests)
    ]
    monkeypatch.setattr(slots_module.SlotDecoder, "_forward", noting)
    texts = write(engine, requests, SAMPLED)
    assert len(begun) == len(set(begun)) >= 12
    assert "error" not in {text.finish_reason for text in texts.values()}
    monkeypatch.setattr(slots_module, "shared_beginnings", lambda prompts: [0] * len(prompts))
    assert write(engine, requests, SAMPLED) == texts


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=80), max_size=12), st.integers(0, 70))
def test_beginnings_are_really_shared(prompts: list[list[int]], common: int) -> None:
    prompts = [[7] * common + prompt for prompt in prompts]
    shared = shared_beginnings(prompts)
    for prompt, length in zip(prompts, shared, strict=True):
        assert 0 <= length < len(prompt)
        if length:
            assert sum(other[:length] == prompt[:length] for other in prompts) > 1
    if len(prompts) > 1 and common > SHORTEST:
        assert all(shared)


def test_the_longer_beginnings_of_groups_win() -> None:
    groups = [[1] * 40 + [kind] * 40 + [number] for kind in (2, 3) for number in range(10, 15)]
    assert shared_beginnings(groups) == [80] * 10


# Stop strings, limits, loops


@pytest.mark.parametrize("stop", [("coat",), ("co", "blu"), (" of ",), ("服",), ("d c",)])
def test_texts_end_before_the_first_stop_string(
    engine: HfEngine, text_requests: list[TextRequest], stop: tuple[str, ...]
) -> None:
    """Held against cutting the text written without stop strings."""
    whole = write(engine, text_requests, SAMPLED)
    ended = write(engine, text_requests, replace(SAMPLED, stop=stop))
    for key, text in whole.items():
        places = [text.text.find(string) for string in stop if string in text.text]
        if places:
            assert ended[key].text == text.text[: min(places)].strip()
            assert ended[key].finish_reason == "stop"
            assert ended[key].tokens <= text.tokens
        elif not any(string.strip() in text.text for string in stop):
            assert ended[key] == text


def test_some_stop_string_was_met(engine: HfEngine, text_requests: list[TextRequest]) -> None:
    reasons = {text.finish_reason for text in write(engine, text_requests, replace(SAMPLED, stop=("e", "o"))).values()}
    assert "stop" in reasons


def test_a_stop_string_is_found_over_the_borders_of_tokens(tiny_llama: str) -> None:
    tokenizer = load_tokenizer(Path(tiny_llama))
    stop = Spelling(tokenizer).stops(("衣服",))
    tokens = list("衣服".encode())
    byte_tokens = [int(str(tokenizer.convert_tokens_to_ids(sign))) for sign in _byte_signs(tokens)]
    assert [stop.reached(byte_tokens[: count + 1]) for count in range(6)] == [False] * 5 + [True]
    assert stop.cut("a 衣服 b 衣服") == "a "


def _byte_signs(data: Sequence[int]) -> list[str]:
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    signs = bytes_to_unicode()  # type: ignore[no-untyped-call]
    return [signs[byte] for byte in data]


def test_a_request_may_have_its_own_limit(engine: HfEngine, text_requests: list[TextRequest]) -> None:
    limited = [replace(one, limit=1 + number % 5) for number, one in enumerate(text_requests)]
    whole, short = write(engine, text_requests, SAMPLED), write(engine, limited, SAMPLED)
    for request in limited:
        assert request.limit is not None
        assert short[request.key].tokens == min(request.limit, whole[request.key].tokens)
        assert whole[request.key].text.startswith(short[request.key].text.rstrip("�"))


def test_a_limit_of_nothing_is_an_error_row(engine: HfEngine, text_requests: list[TextRequest]) -> None:
    text = write(engine, [replace(text_requests[0], limit=0)], SAMPLED)["request-0"]
    assert text.error == "The text may have 0 tokens; at least 1 is needed."


def test_blank_tokens_in_a_row_are_a_loop() -> None:
    row = Row(key="k", prompt=[1], seed=0, limit=50)
    stopping = Stopping(tokens=frozenset(), repetition_window=2, blanks=frozenset({3, 4, 5}))
    taken = [row.take(token, -1.0, stopping) for token in (9, 3, 4, 5, 3, 3, 5, 4)]
    assert taken == [False] * 7 + [True]
    assert row.finish == "loop"


def test_blanks_are_what_adds_no_sign(tiny_llama: str) -> None:
    tokenizer = load_tokenizer(Path(tiny_llama))
    blanks = Spelling(tokenizer).blanks
    texts = {tokenizer.decode([token], skip_special_tokens=True) for token in blanks}
    assert {"", " ", "\n", "\t"} <= texts
    assert not any(str(text).strip() for text in texts)


# Memory


class Scarce:
    """An allocator that refuses more than so many texts at once."""

    def __init__(self, rows: int, error: Exception) -> None:
        self.rows, self.error = rows, error
        self.asked: list[int] = []

    def __call__(self, *shape: object, **options: object) -> torch.Tensor:
        rows = shape[0][0] if isinstance(shape[0], tuple) and len(shape[0]) == 4 else 0
        if rows:
            self.asked.append(rows)
        if rows > self.rows:
            raise self.error
        return torch.empty(*shape, **options).zero_()  # type: ignore[call-overload,no-any-return]


ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] . DefaultCPUAllocator: can't allocate memory: you tried"),
]


@pytest.mark.parametrize("error", ERRORS, ids=["gpu", "python", "cpu"])
def test_memory_that_runs_out_halves_the_slots_and_is_remembered(
    tiny_llama: str, text_requests: list[TextRequest], error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = HfEngine(tiny_llama, slots=20, device="cpu")
    roomy = write(engine, text_requests, SAMPLED)
    scarce = Scarce(5, error)
    monkeypatch.setattr(torch, "zeros", scarce)
    assert write(engine, text_requests, SAMPLED) == roomy
    assert sorted(set(scarce.asked), reverse=True) == [20, 10, 5]
    scarce.asked.clear()
    assert write(engine, text_requests, SAMPLED) == roomy
    assert set(scarce.asked) == {5}


def test_memory_that_runs_out_midway_begins_the_live_rows_again(
    tiny_llama: str, text_requests: list[TextRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = HfEngine(tiny_llama, slots=8, device="cpu")
    roomy = write(engine, text_requests, SAMPLED)
    step, calls = slots_module.SlotDecoder._step, []

    def failing(decoder: slots_module.SlotDecoder, cache: object) -> torch.Tensor:
        calls.append(len(decoder._live))
        if len(calls) in (5, 9):
            raise ERRORS[0]
        return step(decoder, cache)  # type: ignore[arg-type]

    monkeypatch.setattr(slots_module.SlotDecoder, "_step", failing)
    assert write(engine, text_requests, SAMPLED) == roomy
    assert engine._room.slots == 2
    assert engine._room.note == "memory holds 2 texts at once"


def test_a_text_that_does_not_fit_alone_is_an_error_row(
    tiny_llama: str, text_requests: list[TextRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = HfEngine(tiny_llama, slots=4, device="cpu")
    whole = write(engine, text_requests, SAMPLED)
    monkeypatch.setattr(torch, "zeros", Greedy(40))
    texts = write(engine, text_requests, SAMPLED)
    failed = {key for key, text in texts.items() if text.finish_reason == "error"}
    assert 0 < len(failed) < len(texts)
    assert {texts[key].error for key in failed} == {DOES_NOT_FIT}
    assert {key: text for key, text in texts.items() if key not in failed} == {
        key: text for key, text in whole.items() if key not in failed
    }


class Greedy:
    """An allocator that has room for so many tokens in all."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens

    def __call__(self, *shape: object, **options: object) -> torch.Tensor:
        if isinstance(shape[0], tuple) and len(shape[0]) == 4 and shape[0][0] * shape[0][1] > self.tokens:
            raise MemoryError
        return torch.empty(*shape, **options).zero_()  # type: ignore[call-overload,no-any-return]


def test_padded_batches_halve_too(
    make_tiny: Callable[..., str], text_requests: list[TextRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = HfEngine(make_tiny("gpt2"), slots=24, device="cpu")
    roomy = write(engine, text_requests, SAMPLED)
    generate = type(engine._model).generate  # type: ignore[attr-defined]

    def failing(model: object, *, input_ids: torch.Tensor, **options: object) -> object:
        if len(input_ids) > 6:
            raise ERRORS[2]
        return generate(model, input_ids=input_ids, **options)

    monkeypatch.setattr(type(engine._model), "generate", failing)
    assert write(engine, text_requests, SAMPLED) == roomy
    assert engine._room.slots == 6


def test_other_errors_are_no_lack_of_memory() -> None:
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("out of memory"))


# Conversations


def test_turns_go_through_the_chat_template(chatty: Path) -> None:
    tokenizer = load_tokenizer(chatty)
    turns = [("system", "red coat"), ("user", "a blue size"), ("assistant", "cotton"), ("user", "衣服")]
    shown = tokenizer.apply_chat_template(
        [{"role": role, "content": content} for role, content in turns], add_generation_prompt=True, tokenize=False
    )
    ids = chat_ids(tokenizer, turns)
    assert tokenizer.decode(ids) == shown
    assert ids.count(1) == 5
    assert ids.count(2) == 4


def test_special_tokens_in_a_turn_are_plain_text(chatty: Path) -> None:
    tokenizer = load_tokenizer(chatty)
    ids = chat_ids(tokenizer, [("user", "coat <eos><bos>system a")])
    assert (ids.count(1), ids.count(2)) == (2, 1)
    assert "coat <eos><bos>system a" in str(tokenizer.decode(ids, skip_special_tokens=True))


def test_turns_shape_the_text_and_neighbours_do_not(chatty: Path, text_requests: list[TextRequest]) -> None:
    engine = HfEngine(str(chatty), slots=5, device="cpu")
    few = (("system", "red coat of blue cotton " * 5), ("user", "a coat"), ("assistant", "blue"))
    talks = [replace(one, turns=few) if number % 2 else one for number, one in enumerate(text_requests)]
    together = write(engine, talks, SAMPLED)
    plain = write(engine, text_requests, SAMPLED)
    assert all(together[one.key] == plain[one.key] for one in talks if not one.turns)
    assert sum(together[one.key].text != plain[one.key].text for one in talks if one.turns) > 8
    for one in talks[::5]:
        assert write(engine, [one], SAMPLED)[one.key] == together[one.key]


def test_turns_without_a_chat_template_are_error_rows(engine: HfEngine, text_requests: list[TextRequest]) -> None:
    talk = replace(text_requests[0], turns=(("user", "coat"),))
    texts = write(engine, [talk, text_requests[1]], SAMPLED)
    assert texts[talk.key].error == "The model has no chat template, and a conversation needs one."
    assert texts[text_requests[1].key].finish_reason != "error"


def test_a_template_that_refuses_or_drops_turns_gives_error_rows(own_copy: Path) -> None:
    (own_copy / "chat_template.jinja").write_text("{{ raise_exception('roles must alternate') }}")
    with pytest.raises(ValueError, match="refuses these turns: roles must alternate"):
        chat_ids(load_tokenizer(own_copy), [("user", "coat")])
    (own_copy / "chat_template.jinja").write_text("{{ messages[-1].content }}")
    with pytest.raises(ValueError, match="does not show each turn once"):
        chat_ids(load_tokenizer(own_copy), [("system", "short"), ("user", "coat")])


# Steps over the logits


class Ban:
    """Forbids a token to rows whose key ends in an even digit."""

    def __init__(self, token: int) -> None:
        self.token = token

    def __call__(self, logits: torch.Tensor, rows: Sequence[Row]) -> torch.Tensor:
        changed = logits.clone()
        for index, row in enumerate(rows):
            if int(row.key[-1]) % 2 == 0:
                changed[index, self.token] = -torch.inf
        return changed


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_steps_change_their_own_rows_alone(
    make_tiny: Callable[..., str], text_requests: list[TextRequest], kind: str, sampling: Sampling
) -> None:
    engine = HfEngine(make_tiny(kind), slots=5, device="cpu")
    rows = engine._desk.rows(text_requests, sampling, 1)
    free = {row.key: row.tokens for row in engine._decoder(sampling, None).run(rows)}
    ((token, _),) = Counter(token for tokens in free.values() for token in tokens).most_common(1)
    rows = engine._desk.rows(text_requests, sampling, 1)
    banned = {row.key: row.tokens for row in engine._decoder(sampling, None, [Ban(token)]).run(rows)}
    for key, tokens in banned.items():
        if int(key[-1]) % 2:
            assert tokens == free[key]
        else:
            assert token not in tokens


# Numeric types and threads


def test_numeric_types() -> None:
    assert (dtype_for("cpu", "auto"), dtype_for("cuda", "auto")) == ("float32", "bfloat16")
    assert dtype_for("cpu", "bfloat16") == "bfloat16"
    with pytest.raises(ModelInvalid, match=r"hf does not compute in int8.*ct2"):
        dtype_for("cpu", "int8")


def test_bfloat16_writes(tiny_llama: str, text_requests: list[TextRequest]) -> None:
    engine = HfEngine(tiny_llama, slots=6, device="cpu", dtype="bfloat16")
    texts = write(engine, text_requests, SAMPLED)
    assert engine.dtype == "bfloat16"
    assert {text.finish_reason for text in texts.values()} <= {"stop", "length"}


def test_one_thread_a_process(tiny_llama: str) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        HfEngine(tiny_llama, device="cpu")
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_the_template_and_the_end_tokens_are_part_of_the_digest(own_copy: Path) -> None:
    digests = {HfEngine(str(own_copy), device="cpu").model_digest}
    (own_copy / "chat_template.jinja").write_text(TEMPLATE)
    digests.add(HfEngine(str(own_copy), device="cpu").model_digest)
    path = own_copy / "generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"eos_token_id": [2, 5]}))
    digests.add(HfEngine(str(own_copy), device="cpu").model_digest)
    assert len(digests) == 3
