"""How many texts fit side by side: an estimate to begin with, halved whenever memory runs out all the same."""

import gc
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import device
    from transformers import PreTrainedModel

SHARE_ON_GPU = 0.6
SHARE_ON_CPU = 0.3
"""Of the memory free on the device: other processes of the machine take theirs too."""
FREE_UNKNOWN = 8 * 2**30
"""Bytes taken as free where the system does not say."""
LOGIT_COPIES = 8
"""Blocks of fp32 as large as the logits that choosing a token holds at once, at most."""
_CGROUP = Path("/sys/fs/cgroup")
_SAID = ("can't allocate memory", "not enough memory", "out of memory", "cannot allocate memory")


class Room:
    """How many texts are made side by side; what an out-of-memory taught holds as long as this does."""

    def __init__(self, slots: int) -> None:
        """Take the number to begin with, at least 1."""
        self._asked = slots
        self.slots = slots

    def halve(self, used: int) -> bool:
        """Remember that `used` were too many; False when that was a single one."""
        self.slots = max(1, used // 2)
        return used > 1

    @property
    def note(self) -> str:
        """What to tell who watches; empty while all fits."""
        return "" if self.slots == self._asked else f"memory holds {self.slots} texts at once"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed, on a GPU, in torch's CPU allocator or in Python."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _SAID)


def give_back(place: "device") -> None:
    """Free what nothing refers to any more."""
    import torch

    gc.collect()
    if place.type == "cuda":
        torch.cuda.empty_cache()


def affordable_slots(model: "PreTrainedModel", length: int) -> int:
    """How many texts of `length` tokens the free memory holds beside the weights; at least one.

    A text takes keys and values of each layer, and the logits of its next token with their working copies.
    """
    config = model.config
    heads, size = heads_of(model)
    cache = 2 * config.num_hidden_layers * heads * size * length * model.dtype.itemsize
    return max(1, int(_free(model.device)) // int(cache + 4 * LOGIT_COPIES * config.vocab_size))


def heads_of(model: "PreTrainedModel") -> tuple[int, int]:
    """(heads of keys and values, numbers in each)."""
    config = model.config
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return getattr(config, "num_key_value_heads", None) or config.num_attention_heads, size


def _free(place: "device") -> float:
    import torch

    if place.type == "cuda":
        return float(torch.cuda.mem_get_info(place)[0]) * SHARE_ON_GPU
    return min(_free_on_machine(), _free_in_container()) * SHARE_ON_CPU


def _free_on_machine() -> int:
    try:
        fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text("ascii").splitlines())
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return FREE_UNKNOWN


def _free_in_container() -> int:
    """Of the control group's limit; a container is killed at it, whatever the machine still has."""
    try:
        most, used = (int((_CGROUP / name).read_text("ascii")) for name in ("memory.max", "memory.current"))
        counts = dict(line.split() for line in (_CGROUP / "memory.stat").read_text("ascii").splitlines())
        return most - used + int(counts["inactive_file"])
    except (OSError, KeyError, ValueError):
        return 2**63
