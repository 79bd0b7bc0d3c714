"""What the commands ask of the workspace and the flows."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
from rich.console import Console
from rich.prompt import Confirm

from aigc_core.catalog.query import Limits, run_query
from aigc_core.errors import AuditBlocked, CapPassed, UserError
from aigc_core.records import RunSummary
from aigc_core.workspace import (
    finished_run,
    open_workspace,
    query_sources,
    quiet_console,
    quiet_process,
    server_address,
)
from flows.console.progress import shown_progress
from flows.console.stopping import stoppable

Rows = list[tuple[Any, ...]]


def run_night(console: Console, **order: Any) -> RunSummary:  # noqa: ANN401 -- the flow's own parameters
    """Run the nightly flow in this process; a blocked run comes back as its summary.

    Raises:
        UserError: the order cannot be carried out.
    """
    with in_prefect(console):
        from flows.nightly import nightly

        try:
            return _confirmed(console, nightly, order)
        except AuditBlocked as blocked:
            console.print(str(blocked), style="red", markup=False, soft_wrap=True)
            return finished_run(open_workspace(order.get("lake")), blocked.run_id)


def _confirmed(console: Console, nightly: Callable[..., RunSummary], order: dict[str, Any]) -> RunSummary:
    """The night; where it passes a cap, a person at the terminal is asked and the same run goes on."""
    try:
        return nightly(**order)
    except CapPassed as passed:
        if not console.is_terminal:
            raise
        console.print(str(passed), style="yellow", markup=False, soft_wrap=True)
        if not Confirm.ask("Go on?", console=console, default=False):
            raise
    return nightly(**order | {"confirm_cost": True})


@contextmanager
def in_prefect(console: Console) -> Iterator[None]:
    """Quiet surroundings for a flow run in this process, with its progress shown.

    Raises:
        UserError: the server that was named does not answer, or a value fits no parameter.
    """
    quiet_process()
    quiet_console()
    _require_server(server_address())
    console.print("starting Prefect", style="dim")
    from prefect.exceptions import ParameterTypeError

    with shown_progress(console), stoppable():
        try:
            yield
        except ParameterTypeError as error:
            wrong = " ".join(str(error).split(":", 1)[-1].split())
            raise UserError(f"A value cannot be used: {wrong}.", remedy="See the command's --help.") from error


def _require_server(address: str | None) -> None:
    if address is None:
        return
    try:
        httpx.get(f"{address}/health", timeout=10)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise UserError(
            f"The Prefect server at {address} does not answer: {error}.",
            "PREFECT_API_URL names it.",
            "Start it, for example with `aigc up`, or unset PREFECT_API_URL to run without one.",
        ) from error


def list_runs(lake: str | None) -> tuple[Sequence[str], Rows]:
    """Finished runs, latest first, then those begun and not finished."""
    columns = ("run", "line", "date", "state", "requests", "published", "unchanged", "edition", "seconds")
    workspace = open_workspace(lake)
    sources = query_sources(workspace)
    rows: Rows = []
    if "runs" in sources:
        rows = _tuples(
            run_query(
                "SELECT run_id, line, date, CASE WHEN blocked THEN 'blocked' ELSE 'finished' END, requests, published, "
                "unchanged, edition, seconds FROM runs ORDER BY finished_at DESC, run_id",
                {"runs": sources["runs"]},
            ).rows
        )
    finished = {row[0] for row in rows}
    begun = [folder for folder in workspace.runs() if folder.run_id not in finished]
    rows += [(folder.run_id, "", "", "unfinished", None, None, None, None, None) for folder in begun]
    return columns, rows


def find_run(lake: str | None, run_id: str) -> RunSummary:
    """One finished run.

    Raises:
        UserError: no such run, or it is not finished.
    """
    return finished_run(open_workspace(lake), run_id)


def requests_of(lake: str | None, run_id: str, *, item: str | None, most: int) -> tuple[Sequence[str], Rows]:
    """Requests of a run with their why and their end."""
    sources = query_sources(open_workspace(lake))
    chosen = f"run_id = {_quoted(run_id)}" + (f" AND item_id = {_quoted(item)}" if item is not None else "")
    answer = run_query(
        "SELECT item_id AS item, locale, why, state, reason, attempts, tokens FROM outcomes "  # noqa: S608 -- quoted
        f"WHERE {chosen} ORDER BY item_id, locale",
        {"outcomes": sources["outcomes"]},
        Limits(rows=most),
    )
    if item is not None and not answer.rows.num_rows:
        raise UserError(f"Run {run_id} has no request for item {item!r}.")
    return answer.rows.column_names, _tuples(answer.rows)


def ask(lake: str | None, sql: str, *, most: int, seconds: float) -> tuple[Sequence[str], Rows, bool]:
    """A person's own question."""
    answer = run_query(sql, query_sources(open_workspace(lake)), Limits(rows=most, seconds=seconds))
    return answer.rows.column_names, _tuples(answer.rows), answer.truncated


def _tuples(table: Any) -> Rows:  # noqa: ANN401 -- an Arrow table, which flows do not name
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
