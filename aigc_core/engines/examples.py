"""Training examples: pairs as tokens, cut to length and laid out in batches before training starts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aigc_core.contracts.recipe import Training
from aigc_core.engines.base import TrainingPair
from aigc_core.engines.loading import completion_ids, prompt_ids

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

UNSCORED = -100
"""Label of tokens that are no target: the prompt's."""
ENCODED_AT_ONCE = 1000
GROUPED = 50
"""Batches whose pairs are sorted by length together: short pairs are not padded to the longest."""


@dataclass(frozen=True, slots=True)
class Example:
    """One pair as the model sees it."""

    tokens: list[int]
    prompt_length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is trained on, in order: whole batches of indices into the examples."""

    batches: list[list[int]]
    tokens: list[int]
    """Tokens seen after each batch, padding left out."""


def encode(
    tokenizer: "PreTrainedTokenizerBase", pairs: Sequence[TrainingPair], length: int, *, most_tokens: int = 2**62
) -> list[Example]:
    """The pairs in order, cut to `length` tokens, until `most_tokens` are reached.

    A pair whose prompt alone fills `length` has nothing to learn from and is left out.
    """
    examples: list[Example] = []
    total = 0
    for start in range(0, len(pairs), ENCODED_AT_ONCE):
        if total >= most_tokens:
            break
        fresh = _encode(tokenizer, pairs[start : start + ENCODED_AT_ONCE], length)
        examples.extend(fresh)
        total += sum(len(example.tokens) for example in fresh)
    return examples


def _encode(tokenizer: "PreTrainedTokenizerBase", pairs: Sequence[TrainingPair], length: int) -> list[Example]:
    prompts = prompt_ids(tokenizer, [pair.prompt for pair in pairs])
    texts = completion_ids(tokenizer, [pair.text for pair in pairs])
    return [
        Example((prompt + text)[:length], len(prompt))
        for prompt, text in zip(prompts, texts, strict=True)
        if len(prompt) < length
    ]


def plan_batches(lengths: Sequence[int], rows: int, settings: Training) -> Plan:
    """Fix every batch of the training from the seed.

    Args:
        lengths: tokens of each example.
        rows: examples to see in all, repeats counted (epochs times pairs).
        settings: batch size, token budget, evaluations and seed.

    Returns:
        At least one batch; as many as fit `rows` and the budget, rounded down to a multiple of the evaluations.
    """
    chance = np.random.default_rng(settings.seed)
    size = min(settings.batch_size, max(1, rows))
    order = np.concatenate([chance.permutation(len(lengths)) for _ in range(-(-rows // len(lengths)) or 1)])
    batches: list[list[int]] = []
    for start in range(0, max(rows - size, 0) + 1, size * GROUPED):
        group = sorted(order[start : min(start + size * GROUPED, rows)].tolist(), key=lambda index: lengths[index])
        whole = [group[at : at + size] for at in range(0, len(group) - size + 1, size)]
        batches.extend(whole[index] for index in chance.permutation(len(whole)))
    tokens = np.cumsum([sum(lengths[index] for index in batch) for batch in batches])
    count = max(1, int(np.searchsorted(tokens, settings.max_tokens, side="right")))
    count -= count % settings.evaluations if count > settings.evaluations else 0
    return Plan(batches=batches[:count], tokens=tokens[:count].tolist())


def dataset(examples: Sequence[Example]) -> "Dataset":
    """The examples as the table TRL takes: `input_ids` and `labels`."""
    from datasets import Dataset

    labels = [[UNSCORED] * example.prompt_length + example.tokens[example.prompt_length :] for example in examples]
    return Dataset.from_dict({"input_ids": [example.tokens for example in examples], "labels": labels})
