"""Conversations as tokens, by the model's own chat template."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aigc_core.engines.loading import quiet
from aigc_core.ids import text_sha256

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def chat_ids(tokenizer: "PreTrainedTokenizerBase", turns: Sequence[tuple[str, str]]) -> list[int]:
    """The tokens of (role, content) turns, up to where the model's answer begins.

    The template's special tokens are special; one spelt out in a content, which is untrusted, is plain text.
    To keep them apart the template is rendered around marks, and what stands between is encoded piece by piece.

    Raises:
        ValueError: no chat template, or one that refuses these turns or does not show each as it is.
    """
    from jinja2 import TemplateError

    if not tokenizer.chat_template:
        raise ValueError("The model has no chat template, and a conversation needs one.")
    marks = [f"turn{text_sha256(str(number))[:24]}" for number in range(len(turns))]
    said = [{"role": role, "content": mark} for (role, _), mark in zip(turns, marks, strict=True)]
    try:
        with quiet():
            shown = str(tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True))
    except (TemplateError, TypeError, ValueError) as error:
        raise ValueError(f"The model's chat template refuses these turns: {error}") from error
    ids: list[int] = []
    for (_, content), mark in zip(turns, marks, strict=True):
        frame, found, shown = shown.partition(mark)
        if not found or mark in shown:
            raise ValueError("The model's chat template does not show each turn once and in order.")
        ids += _piece(tokenizer, frame, special=True) + _piece(tokenizer, content, special=False)
    return ids + _piece(tokenizer, shown, special=True)


def _piece(tokenizer: "PreTrainedTokenizerBase", text: str, *, special: bool) -> list[int]:
    if not text:
        return []
    encoded = tokenizer(text, add_special_tokens=False, split_special_tokens=not special)
    return list(encoded["input_ids"])
