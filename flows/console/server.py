"""`aigc up`: a Prefect server, its work pools, workers and deployments on this machine, until told to stop."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

import httpx
from rich.console import Console

from aigc_core.errors import UserError
from aigc_core.workspace import REPOSITORY, child_environment, open_workspace

POOLS = {"cpu": 1, "gpu": 1}
"""Work pool -> runs at a time on this machine."""
START_SECONDS = 180.0
STOP_SECONDS = 45.0
DEPLOYMENTS = "infra/prefect.yaml"


def serve(console: Console, *, host: str, port: int, lake: str | None) -> None:
    """Start everything, print the address, wait for SIGINT or SIGTERM, stop everything.

    Raises:
        UserError: the port is taken, or a part did not start.
    """
    workspace = open_workspace(lake)
    workspace.require_writable()
    _require_free(host, port)
    api = f"http://{host}:{port}/api"
    environment = child_environment(PREFECT_API_URL=api, AIGC_LAKE=str(workspace.lake))
    with _until_stopped() as stopped, _Children(environment) as children:
        console.print("starting the Prefect server", style="dim")
        children.start("server", "--no-prompt", "server", "start", "--host", host, "--port", str(port))
        _wait_for(api, children, stopped)
        for command in _preparations():
            if not stopped:
                children.run(*command)
        for pool in POOLS:
            children.start(f"worker {pool}", "worker", "start", "--pool", pool, "--name", f"{pool}-1")
        if not stopped:
            console.print(f"Prefect UI: http://{host}:{port}  lake: {workspace.lake}", soft_wrap=True, highlight=False)
            console.print("ready; stop with Ctrl-C")
        while not stopped and children.all_alive():
            time.sleep(0.5)
        if not stopped:
            raise UserError(f"The {children.first_dead()} ended by itself.", remedy="Its own words stand above.")
    console.print("stopped")


def _preparations() -> list[tuple[str, ...]]:
    pools = [("work-pool", "create", pool, "--type", "process", "--overwrite") for pool in POOLS]
    limits = [("work-pool", "set-concurrency-limit", pool, str(at_once)) for pool, at_once in POOLS.items()]
    return [*pools, *limits, ("--no-prompt", "deploy", "--all", "--prefect-file", DEPLOYMENTS)]


class _Children:
    """Prefect processes that end when the block ends."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "_Children":
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._running.values()):
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + STOP_SECONDS
        for process in reversed(self._running.values()):
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start(self, name: str, *arguments: str) -> None:
        """Start a part that stays; in a group of its own, so that Ctrl-C reaches it once, from here."""
        self._running[name] = subprocess.Popen(  # noqa: S603 -- our own interpreter and fixed words
            [sys.executable, "-m", "prefect", *arguments],
            env=self._environment,
            cwd=REPOSITORY,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def run(self, *arguments: str) -> None:
        """Run a command to its end.

        Raises:
            UserError: it failed; its last words are in the message.
        """
        done = subprocess.run(  # noqa: S603 -- our own interpreter and fixed words
            [sys.executable, "-m", "prefect", *arguments],
            env=self._environment,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            words = " ".join((done.stderr or done.stdout).split())[-300:]
            raise UserError(f"`prefect {' '.join(arguments)}` failed: {words}")

    def all_alive(self) -> bool:
        """Whether every part still runs."""
        return all(process.poll() is None for process in self._running.values())

    def first_dead(self) -> str:
        """Name of a part that ended."""
        return next((name for name, process in self._running.items() if process.poll() is not None), "nothing")


@contextmanager
def _until_stopped() -> Iterator[list[int]]:
    """Collects the signals that ask to stop."""
    got: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        got.append(number)

    before = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield got
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _require_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UserError(
                f"Port {port} on {host} cannot be used: {error.strerror}.", remedy="Name another with --port."
            ) from error


def _wait_for(api: str, children: _Children, stopped: list[int]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and children.all_alive() and not stopped:
        try:
            if httpx.get(f"{api}/health", timeout=5).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.5)
    if not stopped:
        raise UserError(f"The Prefect server did not answer at {api}.", remedy="Its own words stand above.")
