"""Texts held to a JSON schema: a grammar over the tokens while they are chosen, and a check of what came of it.

The grammar is llguidance's. It allows no whitespace between JSON's own signs: a model that may write one blank there
may write blanks for ever.
"""

import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from jsonschema import Draft202012Validator

from aigc_core.engines.around import Around
from aigc_core.engines.base import GeneratedText, TextRequest
from aigc_core.engines.rows import Row
from aigc_core.errors import MissingExtra, RecipeInvalid
from aigc_core.records import Sampling

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

COMPACT: Mapping[str, Any] = {"whitespace_flexible": False, "item_separator": ",", "key_separator": ":"}


def grammar_of(schema: str) -> str:
    """The grammar of a JSON schema, as llguidance takes it.

    Raises:
        MissingExtra: llguidance is not installed.
        RecipeInvalid: the schema has something that no grammar can hold.
    """
    try:
        from llguidance import LLMatcher
    except ImportError as error:
        raise MissingExtra(
            "`json_schema` needs the package llguidance, which is not installed.",
            remedy='Install it: `pip install "aigc[structured]"`.',
        ) from error
    grammar = LLMatcher.grammar_from_json_schema(schema, overrides=dict(COMPACT))  # type: ignore[arg-type]
    if LLMatcher.validate_grammar_with_warnings(grammar)[0]:
        said = LLMatcher.validate_grammar_with_warnings(grammar)[1][0]
        raise RecipeInvalid(
            f"`json_schema` cannot be held while writing: {' '.join(said.split())[:300].rstrip('.')}.",
            "Types, properties, enum, const, pattern, lengths, ranges, items, anyOf, allOf and local $ref can.",
        )
    return grammar


@dataclass(slots=True)
class _Progress:
    """How far one row's grammar is."""

    matcher: "LLMatcher"
    tokens: list[int] = field(default_factory=list)


class SchemaStep:
    """Leaves each row only the tokens with which its JSON can go on; the end token once it is complete.

    A row's grammar follows from its tokens. It is kept between steps, and read anew from the first token where it is
    not the one kept.
    """

    def __init__(self, schema: str, tokenizer: "PreTrainedTokenizerBase", ends: Sequence[int]) -> None:
        """Take the schema as JSON, the model's tokenizer and the tokens that end a text.

        Raises:
            MissingExtra: llguidance is not installed.
            RecipeInvalid: the schema has something that no grammar can hold, or the tokenizer is not a fast one.
        """
        self._grammar = grammar_of(schema)
        self._tokenizer = tokenizer
        self._ends = sorted(ends)
        self._start: LLMatcher | None = None
        self._kept: OrderedDict[str, _Progress] = OrderedDict()
        self._most = 0

    def __call__(self, logits: "Tensor", rows: Sequence[Row]) -> "Tensor":
        """Logits with minus infinity for what the grammar forbids; see `LogitsStep`."""
        import torch
        from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask

        vocabulary = logits.shape[-1]
        mask = allocate_token_bitmask(len(rows), vocabulary)
        for index, row in enumerate(rows):
            matcher = self._at(row, vocabulary)
            # After an error, e.g. a token the model has and the grammar cannot spell, the text can only end.
            if matcher.is_error():
                mask[index] = self._only_ends(vocabulary)
            else:
                fill_next_token_bitmask(matcher, mask, index)
        self._forget(len(rows))
        allowed = np.unpackbits(mask.view(np.uint8), axis=1, bitorder="little")[:, :vocabulary]
        return logits.masked_fill(torch.from_numpy(allowed == 0).to(logits.device), -torch.inf)

    def _at(self, row: Row, vocabulary: int) -> "LLMatcher":
        kept = self._kept.get(row.key)
        if kept is None or row.tokens[: len(kept.tokens)] != kept.tokens:
            kept = self._kept[row.key] = _Progress(self._first(vocabulary).deep_copy())
        self._kept.move_to_end(row.key)
        for token in row.tokens[len(kept.tokens) :]:
            kept.matcher.consume_token(token)
            kept.tokens.append(token)
        return kept.matcher

    def _first(self, vocabulary: int) -> "LLMatcher":
        if self._start is None:
            from llguidance import LLMatcher

            spelling = _spelling(self._tokenizer, vocabulary, self._ends)
            self._start = LLMatcher(spelling, self._grammar, log_level=0)
            if self._start.is_error():
                raise RecipeInvalid(f"`json_schema` cannot be held with this model: {self._start.get_error()}")
        return self._start

    def _only_ends(self, vocabulary: int) -> "np.ndarray[Any, np.dtype[np.int32]]":
        bits = np.zeros(-(-vocabulary // 32) * 32, dtype=np.uint8)
        bits[self._ends] = 1
        return np.packbits(bits, bitorder="little").view(np.int32)

    def _forget(self, rows: int) -> None:
        """Drop the longest unused: a step sees the fresh rows alone, or all that live."""
        self._most = max(self._most, rows)
        while len(self._kept) > 2 * self._most:
            self._kept.popitem(last=False)


def _spelling(tokenizer: "PreTrainedTokenizerBase", vocabulary: int, ends: Sequence[int]) -> "LLTokenizer":
    from llguidance.hf import from_tokenizer

    try:
        return from_tokenizer(tokenizer, n_vocab=vocabulary, eos_token=list(ends))  # type: ignore[arg-type]
    except ValueError as error:
        raise RecipeInvalid(
            f"`json_schema` cannot be held with this model's tokenizer: {str(error).rstrip('.')}.",
            "A tokenizer with a tokenizer.json can.",
        ) from error


class StructuredTexts(Around):
    """Checks what an engine wrote against the schema, and takes the text out of it.

    A text that was cut (`length`, `loop`) stays as it is, with that reason: JSON is never repaired.
    """

    def generate(self, requests: Sequence[TextRequest], *, sampling: Sampling, attempt: int) -> Iterator[GeneratedText]:
        """Yield one text a request; see `Generator`. JSON that does not hold is an `error`."""
        for text in self._engine.generate(requests, sampling=sampling, attempt=attempt):
            yield text_of(text, sampling) if sampling.json_schema and text.finish_reason == "stop" else text


def text_of(made: GeneratedText, sampling: Sampling) -> GeneratedText:
    """A finished answer as the text it holds; an `error` when it holds none."""
    try:
        answer = json.loads(made.text)
    except ValueError as error:
        return _refused(made, f"The answer is no JSON: {error}.")
    fault = next(iter(_validator(sampling.json_schema).iter_errors(answer)), None)
    if fault is not None:
        return _refused(made, f"The answer does not follow the schema: {fault.message[:200]}.")
    if not sampling.json_text:
        return made
    text = answer.get(sampling.json_text) if isinstance(answer, dict) else None
    if not isinstance(text, str) or not text.strip():
        return _refused(made, f"The answer has no text in {sampling.json_text!r}.")
    return replace(made, text=text.strip())


def _refused(made: GeneratedText, error: str) -> GeneratedText:
    return replace(made, text="", finish_reason="error", mean_logprob=None, error=error)


@lru_cache(maxsize=8)
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema))
