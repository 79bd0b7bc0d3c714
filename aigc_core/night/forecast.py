"""Looking ahead: what a night would do and take, told before anything is generated or published."""

from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.compute as pc

from aigc_core.contracts.content_line import ContentLine
from aigc_core.generation.requests import REQUESTS
from aigc_core.generation.shards import Left, plan_shards
from aigc_core.night.intake import take_items
from aigc_core.night.pin import pin
from aigc_core.night.steps import judge_shard, planned, serving_model, write_shard
from aigc_core.records import CatalogueSnapshot, Forecast, ModelVersion, Night, Order, RequestSet
from aigc_core.reporting.forecast import Rates, estimate, families, passed_caps, rates_of, texts_a_request
from aigc_core.storage.files import ParquetSink, read_batches
from aigc_core.storage.progress import RunFolder
from aigc_core.storage.scratch import alone_in
from aigc_core.workspace import open_workspace

TRIED = 48
"""Requests written and thrown away to measure a model that has not written before."""
UNTRAINED = "untrained"


def foresee(order: Order, *, calibrate: bool = True) -> Forecast:
    """The plan of a night and what it is expected to take.

    The catalogue is taken in as `aigc ingest` does, so that the night finds it done; nothing else stays.

    Args:
        order: as for a night.
        calibrate: write a few texts where no earlier night tells the speed; they are thrown away.

    Raises:
        UserError: the order cannot be carried out.
    """
    workspace = open_workspace(order.lake)
    line = workspace.line(order.line)
    night = pin(order, workspace, line)
    workspace.require_writable()
    with alone_in(workspace.scratch(line.name, "plan")) as work:
        items = work / "catalogue.parquet"
        snapshot = take_items(night.source, line, workspace, items, confirm_drop=night.confirm_drop)
        folder = RunFolder(work)
        model = serving_model(night, line, workspace)
        writer = model or ModelVersion(
            line=line.name, digest=UNTRAINED, engine=night.engine, path="", base=line.recipe.model.base
        )
        requests = planned(night, snapshot, writer, folder)
        rates = rates_of(workspace.history(line.name), engine=writer.engine, model=writer.digest)
        if rates is None and model is not None and calibrate and requests.to_generate:
            rates = _tried(requests, model, line, folder)
        return _told(night, snapshot, requests, _Outlook(line=line, model=model, rates=rates))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outlook:
    """What the forecast is drawn from."""

    line: ContentLine
    model: ModelVersion | None
    """None where one is trained first."""
    rates: Rates | None


def _told(night: Night, snapshot: CatalogueSnapshot, requests: RequestSet, outlook: _Outlook) -> Forecast:
    recipe = outlook.line.recipe
    found = estimate(requests, outlook.rates, recipe.prices, attempts=recipe.generation.attempts)
    return Forecast(
        line=night.line,
        lake=night.lake,
        date=night.date,
        source=night.source,
        engine=night.engine,
        model=outlook.model.digest if outlook.model else "",
        requests=requests.requests,
        to_generate=requests.to_generate,
        reasons=families(requests.reasons),
        states=requests.states,
        door=snapshot.door,
        estimate=found,
        currency=recipe.prices.currency,
        caps=passed_caps(found, recipe.generation.caps, recipe.prices.currency),
        notes=_notes(outlook),
    )


def _notes(outlook: _Outlook) -> tuple[str, ...]:
    if outlook.model is not None:
        return ()
    tokens = outlook.line.recipe.model.training.max_tokens
    return (
        f"No model serves yet: one is fine-tuned first, on at most {tokens:,} tokens; that is not in the estimate.",
    )


def _tried(requests: RequestSet, model: ModelVersion, line: ContentLine, folder: RunFolder) -> Rates:
    """The rates of a few texts, written now and judged by the row checks."""
    sample = _sample(requests, folder.file("tried.parquet"))
    trial = RunFolder(folder.file("trial"))
    (shard,) = plan_shards(sample, Left(), trial, shard_rows=TRIED)
    part = write_shard(shard, model, line, trial)
    verdicts = judge_shard(shard, part, line, trial)
    share = verdicts.accepted / verdicts.rows
    served = line.recipe.generation.served_price(model.engine, part.prompt_tokens, part.made_tokens)
    return Rates(
        texts_a_request=texts_a_request(share, line.recipe.generation.attempts),
        tokens_a_text=part.made_tokens / part.rows,
        seconds_a_text=part.seconds / part.rows,
        seconds_a_request=0.0,
        served_a_text=served / part.rows,
        basis=f"a trial of {part.rows} texts, {verdicts.accepted} of them accepted; so few are slow to write",
    )


def _sample(requests: RequestSet, path: Path) -> RequestSet:
    """The first requests that would be generated."""
    left = TRIED
    with ParquetSink(path, REQUESTS) as sink:
        for batch in read_batches(requests.path):
            chosen = batch.filter(pc.is_null(batch.column("state"))).slice(0, left)
            sink.write(chosen)
            left -= chosen.num_rows
            if not left:
                break
        rows = sink.rows
    return replace(requests, path=str(path), requests=rows, to_generate=rows, reasons={}, states={})
