"""A local OpenAI-compatible server that misbehaves as a prompt tells it to."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "tiny"
CONTEXT = 128


class FaultyServer(ThreadingHTTPServer):
    """Answers a prompt in capitals; one that begins with `!fault` it answers with that fault."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, *, seconds: float = 0.0, bears: int = 10_000) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seconds = seconds
        """Each answer takes so long."""
        self.bears = bears
        """Calls it serves at once; those beyond get 429."""
        self.calls = Counter[str]()
        self.bodies: list[dict[str, Any]] = []
        self.authorised: set[str | None] = set()
        self.in_flight = self.most_in_flight = self.refused = 0
        self.closing = threading.Event()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is nothing to print."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyServer

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = body.get("prompt") or body["messages"][-1]["content"]
        server = self.server
        with server.lock:
            server.in_flight += 1
            server.most_in_flight = max(server.most_in_flight, server.in_flight)
            server.calls[prompt] += 1
            server.bodies.append(body)
            server.authorised.add(self.headers["Authorization"])
            call, crowded = server.calls[prompt], server.in_flight > server.bears
            server.refused += crowded
        try:
            if crowded:
                self._send(429, b"{}")
            else:
                server.closing.wait(server.seconds)
                self._answer(prompt, body, call)
        finally:
            with server.lock:
                server.in_flight -= 1

    def _answer(self, prompt: str, body: dict[str, Any], call: int) -> None:  # noqa: C901 -- a case a fault
        answer = self._right(prompt, body)
        fault = prompt.split()[0] if prompt.startswith("!") else ""
        if len(prompt.split()) >= CONTEXT:
            return self._send(400, b'{"error": "too long"}')
        match fault:
            case "!slow":
                self.server.closing.wait(0.3)
            case "!never":
                self.server.closing.wait(30)
            case "!hangup":
                self.close_connection = True
                return None
            case "!cut":
                self.close_connection = True
                return self._send(200, json.dumps(answer).encode(), length=9999)
            case "!html":
                return self._send(200, b"<html>gateway</html>")
            case "!huge":
                answer["choices"][0]["text"] = "x" * 5 * 2**20
            case "!empty":
                answer["choices"] = []
            case "!other":
                answer["id"] = "cmpl-aigc-" + "0" * 32
            case "!model":
                answer["model"] = "somebody else"
            case "!usage":
                del answer["usage"]
            case "!filter":
                answer["choices"][0]["finish_reason"] = "content_filter"
            case "!once":
                if call == 1:
                    return self._send(429, b"{}", ("Retry-After", "0.4"))
            case "!leak":
                return self._send(400, f"bad key {self.headers['Authorization']}".encode())
            case _ if fault[1:].isdigit():
                return self._send(int(fault[1:]), b"no")
        return self._send(200, json.dumps(answer).encode())

    def _right(self, prompt: str, body: dict[str, Any]) -> dict[str, Any]:
        text = f" {prompt.upper()} {body['seed'] % 97} "
        choice: dict[str, Any] = {"index": 0, "finish_reason": "stop"}
        if "messages" in body:
            choice["message"] = {"role": "assistant", "content": text}
        else:
            choice["text"] = text
        usage = {"prompt_tokens": len(prompt.split()), "completion_tokens": 5}
        return {"id": f"cmpl-{self.headers['X-Request-Id']}", "model": MODEL, "choices": [choice], "usage": usage}

    def _send(self, status: int, content: bytes, *headers: tuple[str, str], length: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def serving(*, seconds: float = 0.0, bears: int = 10_000) -> Iterator[FaultyServer]:
    """The server in a thread of its own."""
    server = FaultyServer(seconds=seconds, bears=bears)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


def until(found: Any, seconds: float = 5.0) -> bool:  # noqa: ANN401 -- anything callable
    """Whether it came true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found():
            return True
        time.sleep(0.02)
    return False
