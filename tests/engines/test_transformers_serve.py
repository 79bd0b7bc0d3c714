"""The endpoint engine against a real `transformers serve` process over a tiny model.

Prompts that spell a special token are left out: the server reads it as one, where our own engine reads plain text.
"""

import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from local_server import until

from aigc_core.contracts.endpoint import Endpoint
from aigc_core.engines.base import TextRequest
from aigc_core.engines.endpoint import EndpointEngine
from aigc_core.engines.hf import HfEngine
from aigc_core.records import Sampling
from aigc_core.workspace import child_environment


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def served(tiny_llama: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the server, once it says it is well."""
    port, log = free_port(), tmp_path_factory.mktemp("serve") / "log"
    command: list[str] = [str(Path(sys.executable).with_name("transformers")), "serve", tiny_llama, "--port", str(port)]
    options = ["--host", "127.0.0.1", "--device", "cpu", "--dtype", "float32"]
    environment = child_environment(HF_HUB_OFFLINE="1", OMP_NUM_THREADS="1")
    with log.open("wb") as out, subprocess.Popen([*command, *options], env=environment, stdout=out, stderr=out) as run:
        try:
            assert until(lambda: run.poll() is not None or well(port), 120), log.read_text()[-2000:]
            assert run.poll() is None, log.read_text()[-2000:]
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            run.terminate()


def well(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def test_greedy_texts_are_those_of_the_hf_engine(
    served: str, tiny_llama: str, text_requests: list[TextRequest]
) -> None:
    greedy = Sampling(temperature=0, top_p=1, max_new_tokens=10)
    endpoint = Endpoint(url=served, model=tiny_llama, concurrency=1)
    plain = [replace(request, prompt=request.prompt.replace("<eos>", "coat")) for request in text_requests]
    asked = [request for request in plain if request.prompt]
    by_server = {t.key: t for t in EndpointEngine(endpoint).generate(asked, sampling=greedy, attempt=1)}
    by_us = {t.key: t for t in HfEngine(tiny_llama, device="cpu").generate(asked, sampling=greedy, attempt=1)}
    assert {key: text.error for key, text in by_server.items() if text.error} == {}
    assert {key: text.text for key, text in by_server.items()} == {key: text.text for key, text in by_us.items()}
    assert {k: t.prompt_tokens for k, t in by_server.items()} == {k: t.prompt_tokens for k, t in by_us.items()}
