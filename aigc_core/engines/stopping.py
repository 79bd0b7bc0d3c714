"""Stop strings and blank tokens: what ends a text, told from the tokenizer's own spelling."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Spelling:
    """How a tokenizer spells: read off its vocabulary once, when first asked."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        """Take any tokenizer that decodes."""
        self._tokenizer = tokenizer

    def text(self, tokens: Sequence[int]) -> str:
        """The text of some tokens, special ones left out."""
        decoded = self._tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(decoded)

    @cached_property
    def pieces(self) -> list[str | None]:
        """What each token adds to a text that goes before; None where that depends on the text.

        Bytes of a character that takes several tokens are such a case.
        """
        anchor = self._tokenizer("a", add_special_tokens=False)["input_ids"][-1:]
        before = self.text(anchor)
        pairs = [[*anchor, token] for token in range(len(self._tokenizer))]
        texts = self._tokenizer.batch_decode(pairs, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return [
            text[len(before) :] if text.startswith(before) and "�" not in text else None for text in map(str, texts)
        ]

    @cached_property
    def blanks(self) -> frozenset[int]:
        """Tokens that add nothing, or whitespace alone."""
        return frozenset(token for token, piece in enumerate(self.pieces) if piece is not None and not piece.strip())

    def stops(self, strings: Sequence[str]) -> "StopAt":
        """When one of these strings has been written."""
        return StopAt(self, strings)


class StopAt:
    """Finds stop strings wherever the borders of tokens fall; see `rows.StopStrings`.

    The token that completes a string holds its last character, so the text is spelt out after such tokens only.
    """

    def __init__(self, spelling: Spelling, strings: Sequence[str]) -> None:
        """Take at least one string; none is empty."""
        self._spelling = spelling
        self._strings = tuple(strings)
        ends = {string[-1] for string in strings}
        self._last = frozenset(
            token for token, piece in enumerate(spelling.pieces) if piece is None or not ends.isdisjoint(piece)
        )

    def reached(self, tokens: Sequence[int]) -> bool:
        """Whether the last token completed a string, none having been there before."""
        if tokens[-1] not in self._last:
            return False
        text = self._spelling.text(tokens)
        return any(string in text for string in self._strings)

    def cut(self, text: str) -> str:
        """The text before the first of the strings."""
        return text[: min((place for string in self._strings if (place := text.find(string)) >= 0), default=None)]
