"""Choosing the next token, keyed by (request, attempt, position): no neighbour can change a text.

Top-p is drawn by rejection: take a token from the whole distribution, keep it when the tokens likelier than
it hold less than `top_p` of the mass, else draw again. That is the same distribution as sorting the
vocabulary gives, without the sort, which costs more than the forward pass of a small model.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from aigc_core.engines.rows import Row
from aigc_core.records import Sampling

if TYPE_CHECKING:
    from torch import Tensor

Unsigned = npt.NDArray[np.uint64]

REDRAWS = 16
"""Rejections after which a row is sorted after all; the distribution stays exact either way."""
COLDEST = 1e-5
"""Temperatures below this are greedy: the division would overflow."""


class LogitsStep(Protocol):
    """Changes what may be chosen next: a watermark, a grammar.

    A row's logits may depend on that row alone (its prompt, tokens and key), else its text would depend on its
    neighbours; rows come in any order and are started again from their first token after an out-of-memory.
    """

    def __call__(self, logits: "Tensor", rows: Sequence[Row]) -> "Tensor":
        """Changed logits in a new tensor; both (rows, vocabulary), one row each of `rows`."""
        ...


def uniforms(seeds: Unsigned, positions: Unsigned, draw: int) -> npt.NDArray[np.float64]:
    """Numbers in [0, 1), one a row: element `position * (REDRAWS + 1) + draw` of the row's SplitMix64 stream.

    SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    place = positions * np.uint64(REDRAWS + 1) + np.uint64(draw + 1)
    mixed = seeds + place * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    unit: npt.NDArray[np.float64] = (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return unit


def choose(
    logits: "Tensor", sampling: Sampling, *, seeds: Unsigned, positions: Unsigned, steered: "Tensor | None" = None
) -> tuple[list[int], list[float]]:
    """Choose one token a row.

    Args:
        logits: (rows, vocabulary), any float type.
        sampling: temperature, top_k, top_p in that order, as `transformers` applies them.
        seeds: (rows,) from `ids.seed_of`.
        positions: (rows,) tokens each row has generated before.
        steered: what to choose from, of the same shape; `logits` when None.

    Returns:
        Tokens, and their natural-log probabilities under the unmodified model; NaN for logits not finite.
    """
    logits = logits.float()
    steered = logits if steered is None else steered.float()
    if sampling.temperature < COLDEST:
        tokens = _likeliest(steered)
    elif sampling.top_k:
        tokens = _draw_top_k(steered, sampling, uniforms(seeds, positions, 0))
    else:
        tokens = _draw_top_p(_softmax(steered, sampling.temperature), sampling.top_p, seeds, positions)
    logprobs = logits.log_softmax(-1).gather(1, tokens[:, None])[:, 0]
    return tokens.tolist(), logprobs.tolist()


def _likeliest(logits: "Tensor") -> "Tensor":
    """The first of the greatest, by parts: torch is slow to say where in a long row, quick to say how great."""
    width = next((width for width in range(256, 15, -1) if logits.shape[1] % width == 0), None)
    if width is None:
        return logits.argmax(-1)
    parts = logits.reshape(len(logits), -1, width)
    part = parts.amax(-1).argmax(-1)[:, None]
    place = parts.take_along_dim(part[:, :, None], 1).argmax(-1)
    token: Tensor = part * width + place
    return token[:, 0]


def _softmax(logits: "Tensor", temperature: float) -> "Tensor":
    if temperature == 1.0:
        return logits.softmax(-1)
    return ((logits - logits.amax(-1, keepdim=True)) / temperature).softmax(-1)


def _draw_top_k(logits: "Tensor", sampling: Sampling, chance: npt.NDArray[np.float64]) -> "Tensor":
    best = logits.topk(min(sampling.top_k, logits.shape[-1]), dim=-1)
    rank = _draw_ranked(_softmax(best.values, sampling.temperature), sampling.top_p, chance)
    return best.indices.gather(1, rank)[:, 0]


def _draw_top_p(probabilities: "Tensor", top_p: float, seeds: Unsigned, positions: Unsigned) -> "Tensor":
    import torch

    tokens = torch.zeros(len(probabilities), dtype=torch.long, device=probabilities.device)
    rows = np.arange(len(probabilities))
    cumulative = probabilities.cumsum(-1)
    for draw in range(REDRAWS):
        token = _invert(cumulative, uniforms(seeds[rows], positions[rows], draw))
        kept = _in_nucleus(probabilities, token, top_p)
        tokens[torch.from_numpy(rows).to(tokens.device)] = token[:, 0]
        if bool(kept.all()):
            return tokens
        rows, probabilities, cumulative = rows[~kept.cpu().numpy()], probabilities[~kept], cumulative[~kept]
    ranked = probabilities.sort(dim=-1, descending=True, stable=True)
    rank = _draw_ranked(ranked.values, top_p, uniforms(seeds[rows], positions[rows], REDRAWS))
    tokens[torch.from_numpy(rows).to(tokens.device)] = ranked.indices.gather(1, rank)[:, 0]
    return tokens


def _in_nucleus(probabilities: "Tensor", token: "Tensor", top_p: float) -> "Tensor":
    """Whether the tokens likelier than each row's own (rows, 1) hold less than `top_p`."""
    own = probabilities.gather(1, token)
    # All others together hold 1 - own: only of tokens less likely than 1 - top_p is there anything to add up.
    kept = own[:, 0] > 1 - top_p
    doubtful = (~kept).nonzero()[:, 0]
    if len(doubtful):
        rows = probabilities[doubtful]
        kept[doubtful] = (rows * (rows > own[doubtful])).sum(-1) < top_p
    return kept


def _draw_ranked(probabilities: "Tensor", top_p: float, chance: npt.NDArray[np.float64]) -> "Tensor":
    before = probabilities.cumsum(-1) - probabilities
    return _invert(probabilities.where(before < top_p, 0.0).cumsum(-1), chance)


def _invert(cumulative: "Tensor", chance: npt.NDArray[np.float64]) -> "Tensor":
    import torch

    target = torch.from_numpy(chance).to(cumulative.device)[:, None] * cumulative[:, -1:].double()
    index = torch.searchsorted(cumulative, target.to(cumulative.dtype), right=True)
    # A target rounded up to the whole mass points past the end: the last token with any mass is meant.
    last = torch.searchsorted(cumulative, cumulative[:, -1:].contiguous())
    # No order holds among probabilities that are no numbers: any index in range will do.
    return index.minimum(last).clamp_(max=cumulative.shape[-1] - 1)
