"""The engine over any OpenAI-compatible server: vLLM, SGLang, TGI, `transformers serve`, managed APIs.

It speaks httpx, not the `openai` package: that one is httpx with retries and models of its own, and here the retries
must feed the number of calls in flight and the answers must be judged as they came.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
from anyio.from_thread import start_blocking_portal

from aigc_core.contracts.endpoint import Endpoint
from aigc_core.engines.base import GeneratedText, TextRequest
from aigc_core.engines.completions import PATHS, Answer, Distrusted, body_of, request_id, text_of
from aigc_core.engines.window import Window
from aigc_core.errors import ModelInvalid
from aigc_core.events import Progress, report_progress
from aigc_core.records import Sampling

REPORT_EVERY = 64
"""Texts between two progress reports."""
_AGAIN = frozenset((408, 409, 425, 429))
_LOADED = frozenset((408, 429, 503, 504))
"""Answers of a server that is asked too much."""
_NEVER = {
    401: "Set AIGC_ENDPOINT_KEY to a key the server takes.",
    403: "Set AIGC_ENDPOINT_KEY to a key that may use this model.",
    404: "Check `generation.endpoint`: `url` ends before `/completions`, and `model` is the server's name for it.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often and after which waits a call is made again (exponential backoff with full jitter)."""

    tries: int = 6
    first_seconds: float = 0.5
    longest_seconds: float = 30.0

    def wait(self, made: int) -> float:
        """Seconds before the next call, uniform in [0, min(longest, first * 2**(made - 1))]."""
        return random.uniform(0, min(self.longest_seconds, self.first_seconds * 2 ** (made - 1)))  # noqa: S311


MOST_BYTES = 4 * 2**20
"""Of one answer: a text has a few thousand."""


class EndpointEngine:
    """Writes texts by asking a server; one call a text, joined by key.

    Whether equal requests get equal texts is the server's promise, not ours: `seed` is sent, many ignore it.
    `repetition_window` is not used: what comes is text, not tokens.
    """

    engine = "endpoint"
    dtype = "server"

    def __init__(self, endpoint: Endpoint, *, key: str | None = None, patience: Patience | None = None) -> None:
        """Take the address; nothing is sent.

        Args:
            key: sent as a bearer token; in no message and no digest.
            patience: how calls are repeated.

        Raises:
            ModelInvalid: the key cannot stand in a header.
        """
        if key and not (key.isascii() and key.isprintable()):
            raise ModelInvalid("AIGC_ENDPOINT_KEY holds a line break or a character that no header may hold.")
        self.model_digest = endpoint.digest
        self._endpoint = endpoint
        self._key = key
        self._patience = patience or Patience()
        self._window = Window(most=endpoint.concurrency)
        self._answered = False

    def generate(self, requests: Sequence[TextRequest], *, sampling: Sampling, attempt: int) -> Iterator[GeneratedText]:
        """Yield one text a request; see `Generator`. Closing the iterator ends the calls in flight.

        Raises:
            ModelInvalid: the server never answered, refuses the key, or does not know the model, from the first call.
        """
        if not requests:
            return
        done = tokens = 0
        # The caller's thread may run a loop of its own: this one has a thread to itself.
        with start_blocking_portal() as portal, portal.wrap_async_context_manager(self._asking(requests)) as asking:
            portal.call(asking.start, sampling, attempt)
            while done < len(requests):
                for text in portal.call(asking.take):
                    done, tokens = done + 1, tokens + text.tokens
                    if done % REPORT_EVERY == 0 or done == len(requests):
                        report_progress(Progress(stage="generate", done=done, total=len(requests), tokens=tokens))
                    yield text

    @asynccontextmanager
    async def _asking(self, requests: Sequence[TextRequest]) -> AsyncIterator["_Asking"]:
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        most = self._endpoint.concurrency
        limits = httpx.Limits(max_connections=most, max_keepalive_connections=most)
        self._window.in_flight = 0
        async with httpx.AsyncClient(headers=headers, timeout=None, limits=limits) as client:  # noqa: S113 -- `_post` has one
            asking = _Asking(self, client, requests)
            try:
                yield asking
            finally:
                await asking.stop()

    def hide(self, text: str) -> str:
        """The text without the key, shortened, on one line."""
        hidden = text.replace(self._key, "***") if self._key else text
        return " ".join(hidden.split())[:200]


class _Asking:
    """One `generate` under way, on its own loop."""

    def __init__(self, engine: EndpointEngine, client: httpx.AsyncClient, requests: Sequence[TextRequest]) -> None:
        self._engine = engine
        self._client = client
        self._left = iter(requests)
        self._endpoint = engine._endpoint
        self._window = engine._window
        self._url = self._endpoint.url + PATHS[self._endpoint.api]
        # A reader that lags holds the writers back: at most as many texts wait as calls may be in flight.
        self._done = asyncio.Queue[GeneratedText](maxsize=self._endpoint.concurrency)
        self._changed = asyncio.Condition()
        self._workers: list[asyncio.Task[None]] = []

    async def start(self, sampling: Sampling, attempt: int) -> None:
        self._sampling, self._attempt = sampling, attempt
        self._workers = [asyncio.create_task(self._work()) for _ in range(self._endpoint.concurrency)]

    async def take(self) -> list[GeneratedText]:
        """All texts that are done, at least one."""
        getting = asyncio.create_task(self._done.get())
        waiting = {task for task in self._workers if not task.done()}
        while not getting.done():
            await asyncio.wait({getting, *waiting}, return_when=asyncio.FIRST_COMPLETED)
            if broken := next((task for task in self._workers if task.done() and task.exception()), None):
                getting.cancel()
                broken.result()
            waiting = {task for task in self._workers if not task.done()}
        texts = [getting.result()]
        while not self._done.empty():
            texts.append(self._done.get_nowait())
        return texts

    async def stop(self) -> None:
        for task in self._workers:
            task.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    async def _work(self) -> None:
        for request in self._left:
            await self._done.put(await self._text(request))

    async def _text(self, request: TextRequest) -> GeneratedText:
        """The request's text, or an error row with the last reason."""
        discarded, reason = 0, ""
        made = 0
        try:
            async with asyncio.timeout(self._endpoint.deadline_seconds) as clock:
                body = body_of(request, self._endpoint, self._sampling, self._attempt)
                for made in range(1, self._engine._patience.tries + 1):
                    try:
                        text = await self._call(request, body, clock)
                        return replace(text, discarded_tokens=discarded)
                    except Distrusted as error:
                        reason, discarded = str(error), discarded + error.tokens
                        if not error.again:
                            return self._failed(request, reason, discarded)
                        self._require_reachable(error, made)
                        if made < self._engine._patience.tries:
                            least = error.least if isinstance(error, _Busy) else 0.0
                            await asyncio.sleep(max(least, self._engine._patience.wait(made)))
        except TimeoutError:
            late = f"No answer within {self._endpoint.deadline_seconds:g} s. {reason}".strip()
            return self._failed(request, late, discarded)
        except Distrusted as error:
            return self._failed(request, str(error), 0)
        return self._failed(request, f"Given up after {made} calls: {reason}", discarded)

    def _require_reachable(self, error: Distrusted, made: int) -> None:
        lost = isinstance(error, _Busy) and error.unreachable
        if lost and not self._engine._answered and made == self._engine._patience.tries:
            raise ModelInvalid(
                f"Nothing answers at {self._endpoint.url}: {error}", remedy="Start the server, or correct the address."
            )

    async def _turn(self, clock: asyncio.Timeout) -> int:
        """Wait until another call may start, and start it; the text's time stands still as long as others take."""
        loop = asyncio.get_running_loop()
        ends, began = clock.when(), loop.time()
        clock.reschedule(None)
        async with self._changed:
            await self._changed.wait_for(lambda: self._window.open)
            if ends is not None:
                clock.reschedule(ends + loop.time() - began)
            return self._window.enter()

    async def _call(self, request: TextRequest, body: dict[str, object], clock: asyncio.Timeout) -> GeneratedText:
        entered = await self._turn(clock)
        trouble: bool | None = None
        try:
            response = await self._post(request, body)
            trouble = response.status_code in _LOADED or (None if response.status_code != 200 else False)
            self._require_served(response)
            answer = Answer(content=response.content, named=response.headers.get("x-request-id", ""))
            text = text_of(answer, request, self._endpoint, self._attempt)
            self._engine._answered = True
        except _Busy as error:
            trouble = error.trouble if trouble is None else trouble
            raise
        else:
            return text
        finally:
            self._window.leave(entered, trouble=trouble)
            async with self._changed:
                self._changed.notify_all()

    async def _post(self, request: TextRequest, body: dict[str, object]) -> httpx.Response:
        seconds = self._endpoint.timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                named = {"X-Request-Id": request_id(request, self._attempt)}
                async with self._client.stream("POST", self._url, json=body, headers=named) as answer:
                    return await _bounded(answer)
        except TimeoutError as error:
            raise _Busy(f"No answer within {seconds:g} s.", trouble=True) from error
        except httpx.HTTPError as error:
            said = self._engine.hide(f"{type(error).__name__} {error}")
            raise _Busy(f"The connection failed: {said}.", unreachable=isinstance(error, httpx.ConnectError)) from error

    def _require_served(self, response: httpx.Response) -> None:
        status = response.status_code
        if status == 200:
            return
        said = self._engine.hide(response.text)
        if status in _NEVER and not self._engine._answered:
            raise ModelInvalid(
                f"{self._url} answered {status} for model {self._endpoint.model}: {said}", remedy=_NEVER[status]
            )
        reason = f"The server answered {status}: {said}"
        if status in _AGAIN or status >= 500:
            raise _Busy(reason, least=_retry_after(response.headers.get("retry-after", "")))
        raise Distrusted(reason)

    def _failed(self, request: TextRequest, reason: str, discarded: int) -> GeneratedText:
        return GeneratedText(key=request.key, text="", finish_reason="error", error=reason, discarded_tokens=discarded)


class _Busy(Distrusted):
    """No answer this time."""

    def __init__(
        self, reason: str, *, least: float = 0.0, trouble: bool | None = None, unreachable: bool = False
    ) -> None:
        super().__init__(reason, again=True)
        self.least = least
        """Seconds the server asks to be left alone."""
        self.trouble = trouble
        self.unreachable = unreachable


async def _bounded(answer: httpx.Response) -> httpx.Response:
    """The answer read whole.

    Raises:
        Distrusted: it is longer than `MOST_BYTES`.
    """
    content = bytearray()
    async for piece in answer.aiter_bytes():
        content += piece
        if len(content) > MOST_BYTES:
            raise Distrusted(f"The answer is longer than {MOST_BYTES:,} bytes.")
    headers = {name: answer.headers[name] for name in ("retry-after", "x-request-id") if name in answer.headers}
    return httpx.Response(answer.status_code, headers=headers, content=bytes(content))


def _retry_after(said: str) -> float:
    """Seconds of a `Retry-After` (RFC 9110 section 10.2.3: a number or a date); 0 for none."""
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0
