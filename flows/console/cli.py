"""`aigc`: content lines, nights, runs and questions, from a terminal."""

import json
import sys
import tempfile
import traceback
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from aigc_core.errors import AigcError

app = typer.Typer(
    name="aigc",
    help="Batch generation of content you can publish: run a night, look at it, ask about it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 published or nothing to do, 2 bad input or configuration, 4 blocked by the audit, "
    "75 told to stop: the same command goes on, 1 anything unexpected.",
)
line_app = typer.Typer(help="Make content lines.", no_args_is_help=True)
contract_app = typer.Typer(help="Look at data contracts.", no_args_is_help=True)
app.add_typer(line_app, name="line")
app.add_typer(contract_app, name="contract")
WIDE = 160
out = Console(width=None if sys.stdout.isatty() else WIDE)
err = Console(stderr=True)
Lake = Annotated[str | None, typer.Option(help="Folder for everything made. [default: AIGC_LAKE, else ./lake]")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
LineName = Annotated[str, typer.Argument(help="Content line, see `aigc lines`.")]
Source = Annotated[
    str | None,
    typer.Option(help="Catalogue: CSV, JSON or Parquet; a file, folder, glob or address. [default: the line's]"),
]
Corpus = Annotated[str | None, typer.Option(help="Training pairs, likewise. [default: the line's]")]
ConfirmCost = Annotated[bool, typer.Option("--confirm-cost", help="Go on though the plan passes a cap of the recipe.")]
Date = Annotated[str | None, typer.Option(help="Logical date, YYYY-MM-DD. [default: today, UTC]")]
Limit = Annotated[int | None, typer.Option(min=1, help="At most so many items; held-out groups first.")]
Model = Annotated[str | None, typer.Option(help="Write with this local folder or hub id.")]
Retrain = Annotated[bool, typer.Option("--retrain", help="Fine-tune though a champion serves.")]
RetryRejected = Annotated[
    bool, typer.Option("--retry-rejected", help="Write again what the same rules rejected before.")
]
ConfirmDrop = Annotated[
    bool, typer.Option("--confirm-drop", help="Go on though more than a tenth of the items are gone.")
]
Encoding = Annotated[str | None, typer.Option(help="Encoding of the source, e.g. gb18030. [default: detected]")]
Delimiter = Annotated[str | None, typer.Option(help="Between cells, or `tab`. [default: detected]")]


class EngineName(StrEnum):
    """What writes."""

    hf = "hf"
    ct2 = "ct2"
    endpoint = "endpoint"
    vllm = "vllm"
    template = "template"


Engine = Annotated[EngineName | None, typer.Option(help="What writes. [default: the recipe's]")]


class Format(StrEnum):
    """How an answer is printed."""

    table = "table"
    csv = "csv"
    jsonl = "jsonl"


@app.command()
def lines(*, as_json: AsJson = False) -> None:
    """List the content lines and what each makes."""
    from aigc_core.workspace import open_workspace
    from flows.console.tables import show_rows

    workspace = open_workspace()
    found = [workspace.line(name).recipe for name in workspace.line_names()]
    rows = [(r.line, r.title, ", ".join(r.locales), r.model.base, r.generation.engine) for r in found]
    columns = ("line", "title", "locales", "base model", "engine")
    if as_json:
        typer.echo(json.dumps([dict(zip(columns, row, strict=True)) for row in rows], ensure_ascii=False))
    else:
        show_rows(out, columns, rows)


@app.command()
def nightly(
    line: LineName,
    *,
    source: Source = None,
    corpus: Corpus = None,
    lake: Lake = None,
    date: Date = None,
    limit: Limit = None,
    engine: Engine = None,
    model: Model = None,
    retrain: Retrain = False,
    retry_rejected: RetryRejected = False,
    confirm_drop: ConfirmDrop = False,
    confirm_cost: ConfirmCost = False,
    as_json: AsJson = False,
) -> None:
    """Run a night for LINE: take in, fine-tune if needed, write, audit, publish, report."""
    from flows.console.nights import run_night

    summary = run_night(
        err,
        line=line,
        source=source,
        corpus=corpus,
        lake=lake,
        date=date,
        limit=limit,
        engine=engine.value if engine else None,
        model=model,
        retrain=retrain,
        retry_rejected=retry_rejected,
        confirm_drop=confirm_drop,
        confirm_cost=confirm_cost,
    )
    if as_json:
        typer.echo(json.dumps(asdict(summary), ensure_ascii=False))
    else:
        from flows.console.tables import show_summary

        show_summary(out, summary)
    if summary.blocked:
        raise typer.Exit(4)


@app.command()
def plan(
    line: LineName,
    *,
    source: Source = None,
    corpus: Corpus = None,
    lake: Lake = None,
    date: Date = None,
    limit: Limit = None,
    engine: Engine = None,
    model: Model = None,
    retrain: Retrain = False,
    retry_rejected: RetryRejected = False,
    confirm_drop: ConfirmDrop = False,
    calibrate: Annotated[
        bool, typer.Option(help="Write a few texts, thrown away, where no earlier night tells the speed.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Show what a night for LINE would do and take, before anything is generated."""
    from flows.console.planning import look_ahead, show_forecast

    found = look_ahead(
        err,
        calibrate=calibrate,
        line=line,
        source=source,
        corpus=corpus,
        lake=lake,
        date=date,
        limit=limit,
        engine=engine.value if engine else None,
        model=model,
        retrain=retrain,
        retry_rejected=retry_rejected,
        confirm_drop=confirm_drop,
    )
    if as_json:
        typer.echo(json.dumps(asdict(found), ensure_ascii=False))
    else:
        show_forecast(out, found)


@app.command()
def profile(
    target: Annotated[str, typer.Argument(help="A content line, or a file, folder, glob or address.")],
    *,
    html: Annotated[Path | None, typer.Option(help="Also write the profile as a page that opens offline.")] = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    lake: Lake = None,
    as_json: AsJson = False,
) -> None:
    """Show what a file or a line holds: types, gaps, defects, languages, values; and a line's quarantine."""
    from flows.console.profiles import show, take_profile

    found = take_profile(err, target, lake=lake, encoding=encoding, delimiter=delimiter)
    show(err if as_json else out, found, html=html, page_only=as_json)
    if as_json:
        typer.echo(json.dumps(asdict(found), ensure_ascii=False))


@line_app.command("new")
def line_new(
    name: Annotated[str, typer.Argument(help="Small letters, digits and underscores, e.g. mug_descriptions.")],
    *,
    source: Annotated[str, typer.Option("--from", help="Catalogue with texts: a file, folder, glob or address.")],
    title: Annotated[str | None, typer.Option(help="What people call the line.")] = None,
    licence: Annotated[str | None, typer.Option(help="Of the texts: internal, or an SPDX id. [default: open]")] = None,
    key: Annotated[str | None, typer.Option(help="Column that names an item. [default: found]")] = None,
    text: Annotated[str | None, typer.Option(help="Column with the texts to learn from. [default: found]")] = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    as_json: AsJson = False,
) -> None:
    """Draft a content line from a file: contracts, recipe, and what a person must decide."""
    from flows.console.onboarding import draft_as_json, new_line, show_draft

    wishes = {"title": title, "licence": licence, "key": key, "text": text, "encoding": encoding}
    found, draft = new_line(err, name, source, **wishes, delimiter=delimiter)
    if as_json:
        typer.echo(json.dumps(draft_as_json(draft), ensure_ascii=False))
    else:
        show_draft(out, found, draft)


@contract_app.command("check")
def contract_check(
    file: Annotated[Path, typer.Argument(help="An Open Data Contract Standard file.")], *, as_json: AsJson = False
) -> None:
    """Check a contract file and say its rules in words, and which of its statements nothing is held to."""
    from flows.console.onboarding import describe, show_contract

    found = describe(file)
    if as_json:
        typer.echo(json.dumps(asdict(found), ensure_ascii=False, default=str))
    else:
        show_contract(out, found)


@app.command()
def ingest(
    line: LineName,
    *,
    source: Source = None,
    corpus: Corpus = None,
    lake: Lake = None,
    confirm_drop: ConfirmDrop = False,
    as_json: AsJson = False,
) -> None:
    """Take a line's sources in: every row is accepted, or in quarantine with its reason."""
    from flows.console.ingesting import show_intake, take_in

    taken = take_in(err, line=line, source=source, corpus=corpus, lake=lake, confirm_drop=confirm_drop)
    if as_json:
        typer.echo(json.dumps(asdict(taken), ensure_ascii=False))
    else:
        show_intake(out, taken)


@app.command()
def examples(
    line: Annotated[str, typer.Argument(help="Content line, see `aigc lines`.")],
    *,
    locale: Annotated[str | None, typer.Option(help="Language of the texts. [default: the line's first]")] = None,
    category: Annotated[str | None, typer.Option(help="Those of this category first. [default: all in turn]")] = None,
    count: Annotated[int, typer.Option(min=1, max=100, help="How many.")] = 3,
    lake: Lake = None,
    as_json: AsJson = False,
) -> None:
    """Draw examples for a few-shot prompt from the corpus: diverse, and the same ones every time."""
    from flows.console.examples import drawn, rows_of
    from flows.console.tables import show_rows

    found = drawn(line, lake, locale=locale, category=category, count=count)
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], ensure_ascii=False))
    else:
        show_rows(out, *rows_of(found))


@app.command()
def runs(*, lake: Lake = None, as_json: AsJson = False) -> None:
    """List finished runs, latest first, and those that were begun and not finished."""
    from flows.console.nights import list_runs
    from flows.console.tables import show_rows

    columns, rows = list_runs(lake)
    if as_json:
        typer.echo(json.dumps([dict(zip(columns, row, strict=True)) for row in rows], ensure_ascii=False))
    else:
        show_rows(out, columns, rows)


@app.command()
def show(
    run: Annotated[str, typer.Argument(help="Run id, see `aigc runs`.")],
    *,
    item: Annotated[str | None, typer.Option(help="Only this item, all its locales.")] = None,
    rows: Annotated[int, typer.Option(min=0, help="List so many requests with their why and their end.")] = 20,
    lake: Lake = None,
    as_json: AsJson = False,
) -> None:
    """Show a run: its counts, and for each request why it was or was not generated and how it ended."""
    from flows.console.nights import find_run, requests_of
    from flows.console.tables import show_rows, show_summary

    summary = find_run(lake, run)
    columns, found = requests_of(lake, run, item=item, most=rows)
    if as_json:
        listed = [dict(zip(columns, row, strict=True)) for row in found]
        typer.echo(json.dumps({**asdict(summary), "listed": listed}, ensure_ascii=False))
        return
    if item is None:
        show_summary(out, summary)
        out.print()
    show_rows(out, columns, found)


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="One SELECT; `SHOW TABLES` lists what there is.")],
    *,
    form: Annotated[Format, typer.Option("--format", help="How to print the answer.")] = Format.table,
    most: Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="Rows at most.")] = 1000,
    seconds: Annotated[float, typer.Option(min=0.1, help="Stop after so long.")] = 60.0,
    lake: Lake = None,
) -> None:
    """Ask about published texts, requests, outcomes, findings and runs in SQL. Read-only."""
    from flows.console import tables
    from flows.console.nights import ask

    columns, rows, truncated = ask(lake, sql, most=most, seconds=seconds)
    if form is Format.table:
        tables.show_rows(out, columns, rows)
    else:
        write = tables.as_csv if form is Format.csv else tables.as_json_lines
        typer.echo(write(columns, rows), nl=False)
    if truncated:
        err.print(f"There are more than {most} rows: raise --limit.")


@app.command()
def up(
    *,
    host: Annotated[str, typer.Option(help="Address the server listens on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the Prefect UI and API.")] = 4200,
    lake: Lake = None,
) -> None:
    """Start server, work pools, workers and deployments on this machine; stop them all with Ctrl-C."""
    from flows.console.server import serve

    serve(err, host=host, port=port, lake=lake)


def main() -> None:
    """Run the command; what went wrong is said in words, with an exit code that means something."""
    try:
        app()
    except AigcError as error:
        err.print(f"[bold red]error:[/] {_escaped(error)}", soft_wrap=True, highlight=False)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        err.print("stopped: the same command goes on where it stopped")
        sys.exit(130)
    except Exception as error:  # noqa: BLE001 -- the one edge where nothing may pass as a traceback
        with tempfile.NamedTemporaryFile("w", prefix="aigc-error-", suffix=".log", delete=False) as log:
            log.write(traceback.format_exc())
        err.print(
            f"[bold red]unexpected:[/] {_escaped(error)} (details in {log.name})", soft_wrap=True, highlight=False
        )
        sys.exit(1)


def _escaped(error: BaseException) -> str:
    from rich.markup import escape

    return escape(str(error) or type(error).__name__)


if __name__ == "__main__":
    main()
