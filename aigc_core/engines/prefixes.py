"""What prompts begin with in common, so that it is computed once."""

from collections.abc import Sequence
from itertools import pairwise

SHORTEST = 32
"""Tokens from which a shared beginning pays: with fewer, copying it costs what computing it does."""


def shared_beginnings(prompts: Sequence[Sequence[int]]) -> list[int]:
    """For each prompt how many first tokens it shares with its group; 0 outside every group.

    Groups are the prompts that agree in at least so many first tokens, that number chosen to save the most tokens:
    one long instruction makes one group, examples that differ by category a group each. A prompt's last token
    is never shared: what follows it is what the model is asked for.
    """
    order = sorted(range(len(prompts)), key=lambda index: list(prompts[index]))
    agreements = [_agreement(prompts[one], prompts[other]) for one, other in pairwise(order)]
    thresholds = sorted({agreement for agreement in agreements if agreement >= SHORTEST})
    best = max((_groups(agreements, threshold) for threshold in thresholds), key=_saved, default=[])
    shared = [0] * len(prompts)
    for first, last, length in best:
        for index in order[first : last + 1]:
            shared[index] = min(length, len(prompts[index]) - 1)
    return shared


def _agreement(one: Sequence[int], other: Sequence[int]) -> int:
    for place, (mine, its) in enumerate(zip(one, other, strict=False)):
        if mine != its:
            return place
    return min(len(one), len(other))


def _groups(agreements: Sequence[int], threshold: int) -> list[tuple[int, int, int]]:
    """(first, last, agreement of all) of each run of sorted prompts whose neighbours agree so far."""
    groups: list[tuple[int, int, int]] = []
    for place, agreement in enumerate(agreements):
        if agreement < threshold:
            continue
        if groups and groups[-1][1] == place:
            first, _, length = groups.pop()
            groups.append((first, place + 1, min(length, agreement)))
        else:
            groups.append((place, place + 1, agreement))
    return groups


def _saved(groups: Sequence[tuple[int, int, int]]) -> int:
    return sum((last - first) * length for first, last, length in groups)
