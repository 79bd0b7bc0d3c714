"""Looking ahead: what a night would do and take, told before anything is generated or published."""

from dataclasses import dataclass

from aigc_core.contracts.content_line import ContentLine
from aigc_core.night.intake import take_items
from aigc_core.night.pin import pin
from aigc_core.night.steps import planned, serving_model
from aigc_core.night.trial import tried
from aigc_core.records import CatalogueSnapshot, Forecast, ModelVersion, Night, Order, RequestSet
from aigc_core.reporting.forecast import Rates, at_most, estimate, families, passed_caps, rates_of
from aigc_core.storage.progress import RunFolder
from aigc_core.storage.scratch import alone_in
from aigc_core.workspace import open_workspace

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
        past = rates_of(workspace.history(line.name), engine=writer.engine, model=writer.digest)
        rates = past
        if past is None and model is not None and calibrate and requests.to_generate:
            rates = tried(requests, model, line, folder)
        outlook = _Outlook(line=line, model=model, rates=rates, has_past=past is not None)
        return _told(night, snapshot, requests, outlook)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outlook:
    """What the forecast is drawn from."""

    line: ContentLine
    model: ModelVersion | None
    """None where one is trained first."""
    rates: Rates | None
    has_past: bool
    """Whether earlier nights tell them."""


def _told(night: Night, snapshot: CatalogueSnapshot, requests: RequestSet, outlook: _Outlook) -> Forecast:
    recipe = outlook.line.recipe
    attempts, caps = recipe.generation.attempts, recipe.generation.caps
    found = estimate(requests, outlook.rates, recipe.prices, attempts=attempts)
    held = found if outlook.has_past else at_most(found, requests, attempts=attempts)
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
        caps=passed_caps(held, caps, recipe.prices.currency),
        notes=_notes(outlook),
    )


def _notes(outlook: _Outlook) -> tuple[str, ...]:
    if outlook.model is not None:
        return ()
    tokens = outlook.line.recipe.model.training.max_tokens
    return (
        f"No model serves yet: one is fine-tuned first, on at most {tokens:,} tokens; that is not in the estimate.",
    )
