from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_core.checks.leakage import shared_passages

Judge = Callable[..., list[str]]
PROMPT = "Write a short and friendly description of this product for our shop.\nName: Harbour mug\nMaterial: stoneware"


@pytest.mark.parametrize(
    "text",
    ["A mug.<|endoftext|>", "[INST] mug", "### Mug", "</think> A mug", "system: a mug", "As an AI, I like it",
     "Sure, here you go", "I cannot write this", "作为一个人工智能", "好的，以下是文案", "抱歉，无法完成"],
)  # fmt: skip
def test_an_assistants_phrases_block(judge: Judge, text: str) -> None:
    assert judge("Q-L9", text) == ["block: assistant's phrase"]


@pytest.mark.parametrize(
    "text", ["Sound system: stereo.", "As an airy mug, it is here.", "#1 mug", "以下水洗涤", "A mug."]
)
def test_ordinary_phrases_pass(judge: Judge, text: str) -> None:
    assert judge("Q-L9", text, prompt=PROMPT) == []


def test_a_passage_of_the_prompt_blocks(judge: Judge) -> None:
    assert judge("Q-L9", f"Mug. {PROMPT[8:50]} Nice.", prompt=PROMPT) == ["block: copies the prompt"]
    assert judge("Q-L9", f"Mug. {PROMPT[8:40]} Nice.", prompt=PROMPT) == []


def test_a_passage_of_one_attribute_is_no_leak(judge: Judge) -> None:
    value = "hand-glazed stoneware from the kilns of a small harbour town"
    row = {"prompt": f"Describe: {value}", "attributes": [("origin", value)]}
    assert judge("Q-L9", f"A mug of {value}.", **row) == []


def test_a_passage_that_begins_with_a_space_is_still_the_attributes(judge: Judge) -> None:
    value = "hand-glazed stoneware from the kilns of a small harbour town"
    row = {"prompt": f"Describe: {value}", "attributes": [("origin", value)]}
    assert judge("Q-L9", f"A mug of: {value} for every day.", **row) == []


def test_chinese_passages_count_from_half_the_length(judge: Judge) -> None:
    prompt = "请根据下列商品属性为我们的网店写一段亲切自然的推广文案"
    assert judge("Q-L9", prompt[:20], prompt=prompt, locale="zh") == ["block: copies the prompt"]
    assert judge("Q-L9", prompt[:19], prompt=prompt, locale="zh") == []


def test_a_planted_secret_blocks(judge: Judge) -> None:
    assert judge("Q-L9", "The mug q7-blue-fox.", {"secrets": ["q7-blue-fox"]}) == ["block: planted secret"]


@given(st.text("ab", max_size=60), st.text("ab", max_size=60), st.integers(8, 20))
def test_shared_passages_are_found_and_real(text: str, prompt: str, least: int) -> None:
    for start, end in shared_passages(text, prompt, least):
        assert end - start >= least
        assert text[start:end] in prompt


@given(st.text("abcdefghij", min_size=40, max_size=60), st.integers(0, 19), st.integers(8, 20))
def test_a_copied_passage_is_never_missed(prompt: str, start: int, least: int) -> None:
    assert list(shared_passages(f"XX{prompt[start : start + least]}YY", prompt, least))


@pytest.mark.parametrize(
    "text",
    ["See https://a.example", "See www.mugs.example", "Go to mugs.com now", "Mail a.b@mugs.example",
     "微信号：mugshop88", "加微信领券", "QQ：1234567", "扫描下方二维码", "Call +44 20 7946 0958", "拨打13800138000",
     "拨打１３８００１３８０００", "电话021-12345678", "热线400-820-8820", "Scan the QR code", "Call (415) 555-0132"],
)  # fmt: skip
def test_contact_details_block(judge: Judge, text: str) -> None:
    assert judge("Q-L11", text) == ["block: contact details"]


@pytest.mark.parametrize(
    "text",
    [
        "Sizes 30-40 50-60 cm.",
        "A 20x30x40 cm box.",
        "Since 1990-1995.",
        "码数齐全",
        "0316441001",
        "Ends well.New start",
    ],
)
def test_ordinary_numbers_are_no_contacts(judge: Judge, text: str) -> None:
    assert judge("Q-L11", text) == []


def test_an_attribute_does_not_hide_a_leak_behind_it(judge: Judge) -> None:
    value = "hand-glazed stoneware from the kilns of a small harbour town"
    row = {"prompt": f"{value}\n{PROMPT}", "attributes": [("origin", value)]}
    assert judge("Q-L9", f"{value}, {PROMPT[:60]}", **row) == ["block: copies the prompt"]


def test_a_number_of_the_item_is_its_own(judge: Judge) -> None:
    text = "Model 020-7946-0958 by Booking.com."
    assert judge("Q-L11", text) == ["block: contact details"]
    assert judge("Q-L11", text, attributes=[("model", "020-7946-0958"), ("brand", "booking.com")]) == []
    assert judge("Q-L11", "https://a.example", attributes=[("url", "https://a.example")]) != []
