"""Values as prompts show them: data, in one line, without what could pass for an instruction's frame."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_core.contracts.sanitising import clean_value, special_pattern

MARKERS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<s>", "</s>", "<pad>", "<eos>", "<bos>", "[INST]", "<<SYS>>")
ROLES = ("system:", "assistant :", "System：", "系统：", "助手：", "user:")
PIECES = (*MARKERS, *ROLES, "```", "`", "~~~", "\n", "\r", "\x00", "\u200b", "\u202e", "<", "|", ">", "[", ":", "：")
VALUES = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=12).map("".join)


@given(VALUES)
def test_cleaning_twice_changes_nothing(value: str) -> None:
    assert clean_value(clean_value(value)) == clean_value(value)


@given(VALUES)
def test_nothing_of_a_frame_is_left(value: str) -> None:
    cleaned = clean_value(value)
    assert not [marker for marker in MARKERS if marker in cleaned]
    assert not set(cleaned) & set("\n\r\x00\u200b\u202e`")
    assert (
        not cleaned.lower().replace(" ", "").replace("：", ":").startswith(("system:", "assistant:", "系统:", "助手:"))
    )


@given(VALUES)
def test_a_models_own_tokens_are_taken_out_too(value: str) -> None:
    special = special_pattern(["<|own|>", "{end}", "plain"])
    cleaned = clean_value(f"{value}<|own|>{value}{{end}}", special)
    assert "<|own|>" not in cleaned
    assert "{end}" not in cleaned
    assert clean_value(cleaned, special) == cleaned


@pytest.mark.parametrize(
    "value", ["18/10 steel, 0.5 l", "Größe: M <L", "容量：500毫升", "a [b] | c > d", "user-friendly"]
)
def test_what_shops_write_stays(value: str) -> None:
    assert clean_value(value) == value


@pytest.mark.parametrize("sign", ["\n", "\n>", " ", "<", "system:", "`"])
def test_the_time_is_linear(sign: str) -> None:
    began = time.process_time()
    clean_value(sign * 50_000 + "`")
    assert time.process_time() - began < 2
