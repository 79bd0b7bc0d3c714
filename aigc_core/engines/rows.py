"""One text in the making, and when it ends."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from aigc_core.engines.base import FinishReason


class StopStrings(Protocol):
    """Knows when one of some strings has been written."""

    def reached(self, tokens: Sequence[int]) -> bool:
        """Whether the last token completed a stop string."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping:
    """When a text ends before its limit."""

    tokens: frozenset[int]
    """Tokens that end a text and are no part of it."""
    repetition_window: int
    """See `is_loop`."""
    blanks: frozenset[int] = frozenset()
    """Tokens that add nothing or only whitespace: `3 * repetition_window` of them in a row are a loop too."""
    strings: StopStrings | None = None


@dataclass(slots=True)
class Row:
    """One text in the making."""

    key: str
    prompt: list[int]
    seed: int
    limit: int
    """Most tokens to generate."""
    shared: int = 0
    """First tokens of the prompt that other prompts begin with too."""
    tokens: list[int] = field(default_factory=list)
    logprob: float = 0.0
    """Sum over `tokens`, in nats."""
    blanks: int = 0
    """Blank tokens at the end of `tokens`."""
    finish: FinishReason | None = None
    error: str = ""

    @property
    def length(self) -> int:
        """Tokens so far, prompt included."""
        return len(self.prompt) + len(self.tokens)

    def take(self, token: int, logprob: float, stopping: Stopping) -> bool:
        """Add one token; whether the text is finished with it."""
        if not math.isfinite(logprob):
            self.fail("The model gave no finite probabilities.")
        elif token in stopping.tokens:
            self.finish = "stop"
        else:
            self.tokens.append(token)
            self.logprob += logprob
            self.blanks = self.blanks + 1 if token in stopping.blanks else 0
            self.finish = self._ending(stopping)
        return self.finish is not None

    def _ending(self, stopping: Stopping) -> FinishReason | None:
        if stopping.strings is not None and stopping.strings.reached(self.tokens):
            return "stop"
        window = stopping.repetition_window
        # Looked for once a window: a text has at most so many tokens more than it must, in every batch the same.
        if window and len(self.tokens) % window == 0 and (self.blanks >= 3 * window or is_loop(self.tokens, window)):
            return "loop"
        return "length" if len(self.tokens) >= self.limit else None

    def fail(self, error: str) -> None:
        """End it without a text."""
        self.finish, self.error = "error", error

    def restart(self) -> None:
        """Forget what was written: its seed will write the same again."""
        self.tokens, self.logprob, self.blanks, self.finish = [], 0.0, 0, None


def is_loop(tokens: Sequence[int], window: int) -> bool:
    """Whether the last `3 * window` tokens repeat something of at most `window` tokens; window 0: never."""
    if not window or len(tokens) < 3 * window:
        return False
    tail = tokens[-3 * window :]
    return any(tail[-1] == tail[-1 - period] and tail[period:] == tail[:-period] for period in range(1, window + 1))
