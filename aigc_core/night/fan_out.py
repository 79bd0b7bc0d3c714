"""How many workers a night has, and how its rows are divided among them."""

import math
import os
from contextlib import suppress
from pathlib import Path

from aigc_core.contracts.generation import Generation
from aigc_core.engines.loading import gpu_count
from aigc_core.records import ModelVersion

COMPUTING = ("hf", "ct2", "vllm")
"""Engines that compute in the process they are in."""
CGROUP = Path("/sys/fs/cgroup")
PROCESS_BYTES = 2**30
"""What a worker takes beside its model: the libraries, the cache of its slots, a shard."""
WEIGHTS_HELD = 2.5
"""A worker's model in memory over its weights on disk: bf16 becomes fp32, and packing holds some of it twice."""


def worker_count(model: ModelVersion, generation: Generation) -> int:
    """Workers to write with; 0 where the night's own process writes."""
    computes = model.engine in COMPUTING
    if generation.workers == "auto":
        return _side_by_side(model) if computes else 0
    if generation.fan_out == "processes" and not computes and generation.workers == 1:
        return 0
    return generation.workers


def rows_a_shard(left: int, model: ModelVersion, generation: Generation) -> int:
    """Rows a shard: the recipe's, or fewer where several workers would else end at different times.

    Args:
        left: rows to write.

    Every worker gets equally many shards of nearly equal size; none is smaller than one filling of the slots.
    """
    workers, most = worker_count(model, generation), generation.shard_rows
    if workers < 2 or not left:
        return most
    rounds = math.ceil(left / (workers * most))
    return min(most, max(generation.slots, math.ceil(left / (workers * rounds))))


def _side_by_side(model: ModelVersion) -> int:
    """A process a GPU; without one, a process a core, as far as the memory holds as many models."""
    if model.engine == "vllm":
        return 1
    if gpus := gpu_count():
        return gpus if model.engine == "hf" else 1
    weights = sum(path.stat().st_size for path in Path(model.path).glob("*.safetensors"))
    return max(1, min(_cores(), int(_memory() // (PROCESS_BYTES + WEIGHTS_HELD * weights))))


def _cores() -> int:
    """Cores this process may use, a container's share of them rounded up."""
    cores = len(os.sched_getaffinity(0))
    with suppress(OSError, ValueError):
        share, period = (CGROUP / "cpu.max").read_text("ascii").split()
        return min(cores, math.ceil(int(share) / int(period)))
    return cores


def _memory() -> int:
    """Bytes of memory, in a container those it may use."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):
        return min(memory, int((CGROUP / "memory.max").read_text("ascii")))
    return memory
