"""How many workers a night has, and how its rows are divided among them."""

import math
import os

from aigc_core.contracts.generation import Generation
from aigc_core.engines.loading import pick_device


def worker_count(engine: str, generation: Generation) -> int:
    """Workers to write with; 0 where the night's own process writes."""
    computes = engine in ("hf", "ct2", "vllm")
    if generation.workers == "auto":
        return _cores_to_write(engine) if computes else 0
    if generation.fan_out == "processes" and not computes and generation.workers == 1:
        return 0
    return generation.workers


def _cores_to_write(engine: str) -> int:
    return len(os.sched_getaffinity(0)) if engine != "vllm" and pick_device(None) == "cpu" else 1


def rows_a_shard(left: int, engine: str, generation: Generation) -> int:
    """Rows a shard: the recipe's, or fewer where several workers would else end at different times.

    Args:
        left: rows to write.

    Every worker gets equally many shards of nearly equal size; none is smaller than one filling of the slots.
    """
    workers, most = worker_count(engine, generation), generation.shard_rows
    if workers < 2 or not left:
        return most
    rounds = math.ceil(left / (workers * most))
    return min(most, max(generation.slots, math.ceil(left / (workers * rounds))))
