import numpy as np
import pytest
import torch

from aigc_core.engines.sampling import REDRAWS, choose, uniforms
from aigc_core.records import Sampling

VOCABULARY = 60
DRAWS = 40_000


def logits(flatness: float = 1.0) -> torch.Tensor:
    return torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(3)) / flatness


def reference(row: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """Temperature, top-k, top-p by a full sort: the textbook way."""
    probabilities = (row.double() / sampling.temperature).softmax(0)
    order = probabilities.argsort(descending=True)
    kept = order[: sampling.top_k or VOCABULARY]
    ranked = probabilities[kept] / probabilities[kept].sum()
    kept = kept[ranked.cumsum(0) - ranked < sampling.top_p]
    answer = torch.zeros(VOCABULARY, dtype=torch.double)
    answer[kept] = probabilities[kept] / probabilities[kept].sum()
    return answer


def frequencies(row: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    seeds = np.arange(DRAWS, dtype=np.uint64) * np.uint64(2**40 + 1)
    tokens, _ = choose(row.expand(DRAWS, -1), sampling, seeds=seeds, positions=np.full(DRAWS, 5, dtype=np.uint64))
    return torch.bincount(torch.tensor(tokens), minlength=VOCABULARY).double() / DRAWS


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=0.8, top_p=0.9),
        Sampling(temperature=1.0, top_p=1.0),
        Sampling(temperature=1.3, top_p=0.05),
        Sampling(temperature=1.0, top_p=0.9, top_k=7),
        Sampling(temperature=0.5, top_p=1.0, top_k=500),
    ],
)
def test_draws_follow_the_sorted_distribution(sampling: Sampling) -> None:
    # Total variation of 40,000 fair draws over 60 tokens is 0.015 on average; 0.03 is beyond any luck.
    expected, seen = reference(logits(), sampling), frequencies(logits(), sampling)
    assert float((expected - seen).abs().sum() / 2) < 0.03
    assert not seen[expected == 0].any()


def test_rows_that_run_out_of_redraws_are_sorted() -> None:
    """A nearly flat row with a tiny nucleus refuses almost every draw."""
    sampling = Sampling(temperature=1.0, top_p=0.02)
    expected, seen = reference(logits(1000), sampling), frequencies(logits(1000), sampling)
    assert (1 - float(expected.gt(0).sum()) / VOCABULARY) ** REDRAWS > 0.5
    assert float((expected - seen).abs().sum() / 2) < 0.03


@pytest.mark.parametrize("sampling", [Sampling(temperature=0), Sampling(temperature=1e-9), Sampling(top_k=1)])
def test_greedy_ways_agree(sampling: Sampling) -> None:
    seeds = np.arange(3, dtype=np.uint64)
    tokens, logprobs = choose(logits().expand(3, -1), sampling, seeds=seeds, positions=seeds)
    assert tokens == [int(logits().argmax())] * 3
    assert logprobs == pytest.approx([float(logits().log_softmax(0).max())] * 3)


def test_a_row_is_drawn_without_its_neighbours() -> None:
    rows = torch.randn(50, VOCABULARY, generator=torch.Generator().manual_seed(4))
    seeds, positions = np.arange(50, dtype=np.uint64) + np.uint64(9), np.arange(50, dtype=np.uint64)
    sampling = Sampling(temperature=1.1, top_p=0.6)
    together, _ = choose(rows, sampling, seeds=seeds, positions=positions)
    for row in (0, 17, 49):
        one = slice(row, row + 1)
        alone, _ = choose(rows[one], sampling, seeds=seeds[one], positions=positions[one])
        assert alone == [together[row]]


def test_uniforms_are_splitmix64() -> None:
    """Seed 1234567 gives 6457827717110365317 and 3203168211198807973 first (Vigna's splitmix64.c)."""
    seed, zero = np.array([1234567], dtype=np.uint64), np.array([0], dtype=np.uint64)
    drawn = [float(uniforms(seed, zero, draw)[0]) for draw in (0, 1)]
    assert drawn == [(6457827717110365317 >> 11) * 2.0**-53, (3203168211198807973 >> 11) * 2.0**-53]


def test_positions_do_not_share_randomness() -> None:
    seed = np.full(1000, 42, dtype=np.uint64)
    drawn = [uniforms(seed, np.arange(1000, dtype=np.uint64), draw) for draw in range(REDRAWS + 1)]
    assert len(np.unique(np.concatenate(drawn))) == 1000 * (REDRAWS + 1)


def test_logits_that_are_no_numbers_show_in_the_logprob() -> None:
    one = np.ones(1, dtype=np.uint64)
    _, logprobs = choose(torch.full((1, VOCABULARY), torch.nan), Sampling(), seeds=one, positions=one)
    assert np.isnan(logprobs).all()
