"""Watermarks in the choice of tokens, keyed by a secret, and their detectors.

Both schemes are transformers' own; here each row's part is computed from that row's tokens alone, so a marked text
belongs to its request as an unmarked one does. Whoever holds the key finds the mark in a text's tokens again.
"""

import hashlib
import hmac
import json
import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from aigc_core.contracts.steering import KgwMark, SynthIdMark
from aigc_core.engines.loading import completion_ids, load_tokenizer
from aigc_core.engines.rows import Row
from aigc_core.errors import RecipeInvalid
from aigc_core.ids import canonical_json
from aigc_core.records import Sampling

if TYPE_CHECKING:
    from torch import Tensor

Bits = npt.NDArray[np.uint8]

SHORTEST_KEY = 32
"""Characters: the fingerprint is public, and a short key could be guessed from it."""
GREEN_BYTES = 256 * 2**20
"""Green lists kept, in bytes; a list has a bit a token of the vocabulary."""
SURE = 1e-6
"""p-value below which `Detection.found` holds: one false alarm in a million unmarked texts."""


@dataclass(frozen=True, slots=True)
class WatermarkKey:
    """The secret; it shows in no representation and is written nowhere."""

    _secret: str = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse a secret that could be guessed.

        Raises:
            RecipeInvalid: shorter than `SHORTEST_KEY`.
        """
        if len(self._secret) < SHORTEST_KEY:
            raise RecipeInvalid(
                f"The watermark key has {len(self._secret)} characters.",
                f"At least {SHORTEST_KEY} are needed.",
                "Make one with `openssl rand -hex 32` and set AIGC_WATERMARK_KEY to it.",
            )

    @property
    def fingerprint(self) -> str:
        """16 hex digits that name the key without giving it away."""
        return f"{self.number('fingerprint'):016x}"

    def number(self, purpose: str) -> int:
        """A number in [0, 2**63) made of the key."""
        digest = hmac.digest(self._secret.encode("utf-8", "surrogatepass"), f"aigc {purpose}".encode(), hashlib.sha256)
        return int.from_bytes(digest[:8]) >> 1


def keyed(settings: str, key: WatermarkKey) -> str:
    """A watermark's settings with the key's fingerprint, as `Sampling.watermark` holds them."""
    return canonical_json({**json.loads(settings), "key": key.fingerprint})


def mark_name(watermark: str) -> str:
    """What a published row says of its mark, e.g. `kgw:0f3a...`: scheme and key; empty for none."""
    if not watermark:
        return ""
    settings = json.loads(watermark)
    return f"{settings['scheme']}:{settings.get('key', '')}"


def open_mark(sampling: Sampling, key: WatermarkKey) -> "tuple[Sampling, KgwStep | SynthIdStep]":
    """What marks texts as `sampling.watermark` says, and how tokens are chosen from what it leaves.

    Raises:
        RecipeInvalid: another key than the one whose fingerprint the settings hold.
    """
    settings = json.loads(sampling.watermark)
    wanted = settings.pop("key", None)
    if wanted != key.fingerprint:
        raise RecipeInvalid(
            f"AIGC_WATERMARK_KEY holds key {key.fingerprint}, and the texts are to be marked with {wanted}.",
            "One run marks with one key.",
            "Set the variable as it was when the run began, or begin a new run.",
        )
    if settings["scheme"] == "kgw":
        return sampling, KgwStep(KgwMark.model_validate(settings), key)
    step = SynthIdStep(SynthIdMark.model_validate(settings), key, sampling)
    return replace(sampling, temperature=1.0, top_p=1.0), step


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """How surely a text, or texts taken together, carry the mark."""

    scored: int
    """Tokens (KGW) or rounds (SynthID) that count; repeated contexts do not."""
    share: float
    """Of them that speak for the mark, in [0, 1]."""
    expected: float
    """That share in a text without the mark."""

    @property
    def z(self) -> float:
        """Standard deviations above the expected share; 0 when nothing is scored."""
        if not self.scored:
            return 0.0
        return (self.share - self.expected) / math.sqrt(self.expected * (1 - self.expected) / self.scored)

    @property
    def p_value(self) -> float:
        """Chance of this much or more without the mark: upper tail of the normal distribution."""
        return 0.5 * math.erfc(self.z / math.sqrt(2))

    @property
    def found(self) -> bool:
        """Whether the text carries the mark, at a false alarm rate of `SURE`."""
        return self.p_value < SURE


def find_mark(texts: Sequence[str], model: Path, sampling: Sampling, key: WatermarkKey) -> Detection:
    """Look for a mark in texts as they are read, e.g. a column `text`, without their label.

    Many texts of one key taken together are found where each alone is too short: what is said in more than one of
    them counts once, or phrases that a model repeats would speak for or against the mark each time.

    Args:
        texts: of one language model; encoded again, so a few tokens may differ from those chosen.
        model: folder of that model.
        sampling: of their making, with the mark.
        key: whose mark is looked for.

    Raises:
        ModelInvalid: the folder holds no tokenizer.
        RecipeInvalid: another key than the one the sampling names.
    """
    from transformers import AutoConfig

    tokenizer = load_tokenizer(model)
    vocabulary = int(AutoConfig.from_pretrained(model, local_files_only=True).vocab_size)
    _, mark = open_mark(sampling, key)
    return mark.detect([row[:-1] for row in completion_ids(tokenizer, texts)], vocabulary)


class KgwStep:
    """Adds a bias to the green tokens, which follow from the key and the token before.

    Green lists are drawn on the CPU, whatever the model runs on: a text marked on a GPU is detected anywhere.
    """

    def __init__(self, mark: KgwMark, key: WatermarkKey) -> None:
        """Take settings and secret."""
        self._mark = mark
        self._hash_key = key.number("kgw")
        self._processor: Any = None
        self._vocabulary = 0
        self._green: OrderedDict[int, Bits] = OrderedDict()

    def __call__(self, logits: "Tensor", rows: Sequence[Row]) -> "Tensor":
        """Biased logits; see `LogitsStep`."""
        import torch

        before = [(row.tokens or row.prompt)[-1] for row in rows]
        packed = np.stack([self._greens(token, logits.shape[-1]) for token in before])
        green = torch.from_numpy(np.unpackbits(packed, axis=1, count=logits.shape[-1]))
        return torch.add(logits, green.to(logits.device), alpha=self._mark.bias)

    def detect(self, texts: Sequence[Sequence[int]], vocabulary: int) -> Detection:
        """Look for the mark in texts taken together, each pair of neighbours counted once.

        Args:
            texts: tokens of each, without prompt and end token.
            vocabulary: width of the model's logits.
        """
        pairs = {pair for tokens in texts for pair in pairwise(tokens)}
        hits = sum(self._is_green(before, token, vocabulary) for before, token in pairs)
        share = int(vocabulary * self._mark.green_share) / vocabulary
        return Detection(scored=len(pairs), share=hits / max(len(pairs), 1), expected=share)

    def _is_green(self, before: int, token: int, vocabulary: int) -> int:
        return int(self._greens(before, vocabulary)[token // 8]) >> (7 - token % 8) & 1

    def _greens(self, before: int, vocabulary: int) -> Bits:
        """Which tokens are green after a token, a bit each."""
        import torch

        if self._processor is None or self._vocabulary != vocabulary:
            self._open(vocabulary)
        if before in self._green:
            self._green.move_to_end(before)
            return self._green[before]
        # Through the processor's own call: what it adds to zeros is the bias of green tokens.
        added = self._processor(torch.tensor([[before]]), torch.zeros(1, vocabulary))
        packed = np.packbits(added[0].numpy() > 0)
        self._green[before] = packed
        if len(self._green) * packed.nbytes > GREEN_BYTES:
            self._green.popitem(last=False)
        return packed

    def _open(self, vocabulary: int) -> None:
        from transformers import WatermarkingConfig

        config = WatermarkingConfig(
            greenlist_ratio=self._mark.green_share,
            bias=self._mark.bias,
            hashing_key=self._hash_key,
            seeding_scheme=self._mark.seeding,
        )
        self._processor = config.construct_processor(vocabulary, "cpu")
        self._vocabulary = vocabulary
        self._green.clear()


class SynthIdStep:
    """Holds the tournament among each row's candidates, after temperature, top_k and top_p, as transformers does.

    transformers keeps each row's context and its history in the processor, by place in the batch. Here both are
    read off the row's tokens: the context is the last `ngram - 1` of them, zeros before the first.
    """

    def __init__(self, mark: SynthIdMark, key: WatermarkKey, sampling: Sampling) -> None:
        """Take settings, secret, and the temperature, top_k and top_p that the tournament comes after."""
        self._mark = mark
        self._keys = [key.number(f"synthid {depth}") for depth in range(mark.depth)]
        self._sampling = sampling
        self._processors: dict[str, Any] = {}

    def __call__(self, logits: "Tensor", rows: Sequence[Row]) -> "Tensor":
        """Log-probabilities to draw from as they are, at temperature 1; see `LogitsStep`."""
        import torch

        values, candidates = self._candidates(logits)
        contexts = torch.tensor([_context(row.tokens, len(row.tokens), self._mark.ngram - 1) for row in rows])
        before = contexts.to(logits.device)[:, None].expand(-1, candidates.shape[1], -1)
        processor = self._processor(str(logits.device))
        keys = processor.compute_ngram_keys(torch.cat([before, candidates[:, :, None]], -1))
        marked = processor.update_scores(values, processor.sample_g_values(keys))
        repeated = torch.tensor([_is_repeated(row.tokens, self._mark.ngram - 1) for row in rows])
        kept = values.where(repeated.to(logits.device)[:, None] | values.isinf(), marked)
        return torch.full_like(logits, -torch.inf, dtype=kept.dtype).scatter_(1, candidates, kept)

    def _candidates(self, logits: "Tensor") -> "tuple[Tensor, Tensor]":
        """Scores and tokens, both (rows, top_k), the likeliest first; minus infinity beyond `top_p`."""
        import torch

        best = logits.float().topk(min(self._sampling.top_k, logits.shape[-1]), dim=-1)
        values = (best.values - best.values[:, :1]) / self._sampling.temperature
        likely = values.softmax(-1)
        before = likely.cumsum(-1) - likely
        return values.where(before < self._sampling.top_p, -torch.inf), best.indices

    def detect(self, texts: Sequence[Sequence[int]], vocabulary: int) -> Detection:
        """Look for the mark in texts taken together: rounds won, each sequence of `ngram` tokens counted once.

        Args:
            texts: tokens of each, without prompt and end token.
            vocabulary: width of the model's logits; this scheme does not need it.
        """
        import torch

        size = self._mark.ngram - 1
        ngrams = {
            tuple(tokens[place - size : place + 1])
            for tokens in texts
            for place in range(size, len(tokens))
            if not _is_repeated(tokens[:place], size)
        }
        processor = self._processor("cpu")
        expected = float(processor.sampling_table.double().mean())
        if not ngrams:
            return Detection(scored=0, share=0.0, expected=expected)
        keys = processor.compute_ngram_keys(torch.tensor(sorted(ngrams))[None])
        rounds = processor.sample_g_values(keys)
        return Detection(scored=rounds.numel(), share=float(rounds.double().mean()), expected=expected)

    def _processor(self, device: str) -> Any:  # noqa: ANN401 - transformers is not typed
        from transformers import SynthIDTextWatermarkingConfig

        if device not in self._processors:
            config = SynthIDTextWatermarkingConfig(ngram_len=self._mark.ngram, keys=self._keys)
            processor: Any = config.construct_processor(0, device)
            # The table is random: drawn on the CPU it is the same on every device.
            drawn: Any = config.construct_processor(0, "cpu")
            processor.sampling_table = drawn.sampling_table.to(device)
            self._processors[device] = processor
        return self._processors[device]


def _context(tokens: Sequence[int], place: int, size: int) -> tuple[int, ...]:
    """The `size` tokens before a place, zeros where there are none."""
    return (*[0] * (size - place), *tokens[max(place - size, 0) : place])


def _is_repeated(tokens: Sequence[int], size: int) -> bool:
    """Whether the context of the next token was that of an earlier one."""
    if not tokens:
        return False
    now, last = _context(tokens, len(tokens), size), tokens[-1]
    return (
        any(tokens[place - 1] == last and _context(tokens, place, size) == now for place in range(1, len(tokens)))
        or now == (0,) * size
    )
