"""Nights over attributes that would rather be instructions, and over what must not leak from a prompt."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from model_fixtures import ModelMaker
from shop import LINE, Shop, generated, item, pair, read_line, rows_of, write_rows

from aigc_core.engines.chat import chat_ids
from aigc_core.engines.loading import load_tokenizer
from aigc_core.errors import RecipeInvalid
from aigc_core.night import pin
from aigc_core.storage.progress import release

pytest_plugins = ("shop_fixtures",)

CASES = json.loads((Path(__file__).parent.parent / "checks" / "injection_cases.json").read_text("utf-8"))
SYSTEM = "You write short and friendly product texts for the shop of the house of Orion."
TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<eos>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@pytest.fixture
def chatting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A shop that asks in a chat and shows one pair."""
    monkeypatch.setenv("AIGC_LINES", str(tmp_path / "lines"))
    told = {"chat": {"system": SYSTEM}, "few_shot": {"count": 1}}
    yield Shop(root=tmp_path, line=read_line(tmp_path / "lines", **told))
    for folder in (tmp_path / "lake" / "runs").glob("*"):
        release(folder)


def test_no_published_text_carries_an_injected_sentence(open_shop: Shop) -> None:
    rows = [item(number, name=case["value"]) for number, case in enumerate(CASES)]
    summary = open_shop.night([*rows, item(70), item(71)])
    published = rows_of(open_shop.shelf, "item_id", "text_labelled")
    assert {row["item_id"] for row in published} == {"S-070", "S-071"}
    assert not [case["id"] for case in CASES for row in published if case["carries"] in row["text_labelled"]]
    assert summary.states["quarantined"] == 2 * len(CASES)
    assert summary.attempts == {"1": 4}


def test_the_text_would_carry_it_were_it_not_held_back(open_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aigc_core.generation.deciding.injection_in", lambda strings: None)
    plain = next(case for case in CASES if case["id"] == "tell-customers")
    open_shop.night([item(1, name=plain["value"]), item(2)])
    texts = [row["text_labelled"] for row in rows_of(open_shop.shelf, "text_labelled")]
    assert any(plain["carries"] in text for text in texts)


def test_what_the_system_is_told_may_not_be_copied(tmp_path: Path) -> None:
    template = {
        "en": "{{ attributes.name }}. " + SYSTEM,
        "zh": "{{ attributes.name }}是一只耐用的水瓶，日常使用轻松顺手。",
    }
    told: dict[str, object] = {"generation": {"engine": "template", "attempts": 1, "template": template}}
    shop = Shop(root=tmp_path, line=read_line(tmp_path / "lines", chat={"system": SYSTEM}, **told))
    made = shop.made([item(1)])
    assert {reason for reason in made.report.reasons if "Q-L9" in reason}


def test_no_model_is_trained_for_prompts_it_would_not_be_asked(chatting: Shop) -> None:
    corpus = write_rows(chatting.root / "corpus.jsonl", [pair(number) for number in range(30)])
    order = replace(chatting.order([item(1)], corpus=corpus), engine="hf")
    with pytest.raises(RecipeInvalid, match=f"The recipe of {LINE} has `chat` and `few_shot`, and a model would be"):
        pin.start(order)
    assert not (chatting.root / "lake" / "runs").exists()


def test_a_chat_model_is_asked_in_its_own_template(chatting: Shop, make_tiny: ModelMaker) -> None:
    model = make_tiny("llama", max_position_embeddings=2048)
    tokenizer = load_tokenizer(Path(model))
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(model)
    corpus = write_rows(chatting.root / "corpus.jsonl", [pair(number) for number in range(30)])
    order = replace(chatting.order([item(1, feature="lid <eos>")], corpus=corpus), engine="hf", model=model)
    night = pin.start(order)
    generated(night)
    folder = chatting.folder(night.run_id)
    asked = {row["request_key"]: row for row in pq.read_table(folder.file("requests.parquet")).to_pylist()}
    assert all("lid" in row["prompt"] and "<eos>" not in row["prompt"] for row in asked.values())
    made = [
        row for path in sorted(folder.file("parts").glob("a1-*.parquet")) for row in pq.read_table(path).to_pylist()
    ]
    assert len(made) == 2
    for row in made:
        request = asked[row["request_key"]]
        turns = [(turn["role"], turn["content"]) for turn in request["turns"]]
        assert turns[0] == ("system", SYSTEM)
        assert row["finish_reason"] != "error"
        assert row["prompt_tokens"] == len(chat_ids(tokenizer, [*turns, ("user", request["prompt"])]))
