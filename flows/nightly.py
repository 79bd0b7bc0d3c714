"""The whole way of one night for one content line."""

from prefect import flow

from aigc_core.records import Order, RunSummary
from flows.finetune_model import obtain_model
from flows.generate_batch import plan, start, write_batch
from flows.ingest_corpus import ingest
from flows.parameters import (
    ConfirmCost,
    ConfirmDrop,
    Corpus,
    Date,
    Engine,
    Lake,
    Limit,
    Line,
    Model,
    Retrain,
    RetryRejected,
    Source,
    documented,
)
from flows.publish_batch import publish_batch


@flow(name="nightly", flow_run_name="nightly {line}")
@documented
def nightly(
    line: Line,
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
) -> RunSummary:
    """Catalogue in, model ready, texts written, judged and published, report out. Run again it adds nothing."""
    order = Order(
        line=line, source=source, corpus=corpus, lake=lake, date=date, limit=limit,
        engine=engine, model=model, retrain=retrain, retry_rejected=retry_rejected, confirm_drop=confirm_drop,
        confirm_cost=confirm_cost,
    )  # fmt: skip
    night = start(order)
    pairs, catalogue = ingest(night)
    writer = obtain_model(night, pairs)
    batch = write_batch(night, writer, plan(night, catalogue, writer))
    return publish_batch(night, writer, batch)
