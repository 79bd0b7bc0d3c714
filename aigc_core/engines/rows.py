"""One text in the making, and when it ends."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from aigc_core.engines.base import FinishReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping:
    """When a text ends before its limit."""

    tokens: frozenset[int]
    repetition_window: int


@dataclass(slots=True)
class Row:
    """One text in the making."""

    key: str
    prompt: list[int]
    seed: int
    limit: int
    """Most tokens to generate."""
    tokens: list[int] = field(default_factory=list)
    logprob: float = 0.0
    """Sum over `tokens`, in nats."""
    finish: FinishReason | None = None

    @property
    def length(self) -> int:
        """Tokens so far, prompt included."""
        return len(self.prompt) + len(self.tokens)

    def take(self, token: int, logprob: float, stopping: Stopping) -> bool:
        """Add one token; whether the text is finished with it."""
        if not math.isfinite(logprob):
            self.finish = "error"
        elif token in stopping.tokens:
            self.finish = "stop"
        else:
            self.tokens.append(token)
            self.logprob += logprob
            if is_loop(self.tokens, stopping.repetition_window):
                self.finish = "loop"
            elif len(self.tokens) >= self.limit:
                self.finish = "length"
        return self.finish is not None


def is_loop(tokens: Sequence[int], window: int) -> bool:
    """Whether the last `3 * window` tokens repeat something of at most `window` tokens; window 0: never."""
    if not window or len(tokens) < 3 * window:
        return False
    tail = tokens[-3 * window :]
    return any(tail[-1] == tail[-1 - period] and tail[period:] == tail[:-period] for period in range(1, window + 1))
