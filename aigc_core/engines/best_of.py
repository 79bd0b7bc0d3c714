"""Best of several drafts, around any engine."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from aigc_core.engines.around import Around
from aigc_core.engines.base import GeneratedText, TextRequest
from aigc_core.ids import fingerprint
from aigc_core.records import Sampling


class BestOf(Around):
    """Writes `sampling.best_of` drafts of each text and keeps the best.

    Draft 0 has the request's own key, so it is the text that the engine alone would write; the others have keys made
    of request, attempt and number. Which draft is kept depends on the drafts of that request alone.

    The text's `prompt_tokens` are those of all its drafts, in every engine: each is a call of its own that a server
    charges, and an engine in this process takes the prompt in for each, though what prompts begin with in common is
    computed once.
    """

    def generate(self, requests: Sequence[TextRequest], *, sampling: Sampling, attempt: int) -> Iterator[GeneratedText]:
        """Yield one text a request as its last draft comes; see `Generator`. Holds at most all drafts."""
        single = replace(sampling, best_of=1)
        if sampling.best_of == 1:
            yield from self._engine.generate(requests, sampling=single, attempt=attempt)
            return
        numbers = range(sampling.best_of)
        owners = {
            draft_key(request.key, attempt, number): (request.key, number) for request in requests for number in numbers
        }
        drafts = [
            replace(request, key=draft_key(request.key, attempt, number)) for request in requests for number in numbers
        ]
        waiting: dict[str, dict[int, GeneratedText]] = {}
        for draft in self._engine.generate(drafts, sampling=single, attempt=attempt):
            key, number = owners[draft.key]
            made = waiting.setdefault(key, {})
            made[number] = draft
            if len(made) == sampling.best_of:
                yield replace(_best(waiting.pop(key)), key=key)


def draft_key(request_key: str, attempt: int, number: int) -> str:
    """The key under which a draft is written; that of the request for draft 0."""
    return fingerprint([request_key, attempt, number]) if number else request_key


def _best(drafts: dict[int, GeneratedText]) -> GeneratedText:
    """A finished draft before a cut one before none, then the likeliest, then the first."""

    def rank(number: int) -> tuple[bool, bool, float, int]:
        draft = drafts[number]
        likely = -float("inf") if draft.mean_logprob is None else draft.mean_logprob
        return draft.finish_reason != "stop", draft.finish_reason == "error", -likely, number

    kept = min(drafts, key=rank)
    others = [draft for number, draft in drafts.items() if number != kept]
    discarded = sum(draft.tokens + draft.discarded_tokens for draft in others)
    return replace(
        drafts[kept],
        prompt_tokens=sum(draft.prompt_tokens for draft in drafts.values()),
        discarded_tokens=drafts[kept].discarded_tokens + discarded,
    )
