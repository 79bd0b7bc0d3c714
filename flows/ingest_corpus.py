"""Ingest: both doors in, as tasks of a night or by themselves."""

from prefect import flow, task
from prefect.artifacts import create_table_artifact

from aigc_core.night import close, intake
from aigc_core.records import CatalogueSnapshot, CorpusVersion, Intake, Night, Order
from flows.parameters import ConfirmDrop, Corpus, Lake, Line, Source, documented
from flows.retries import may_help

take_corpus = task(name="take-corpus", retries=1, retry_condition_fn=may_help)(intake.take_corpus)
take_catalogue = task(name="take-catalogue", retries=1, retry_condition_fn=may_help)(intake.take_catalogue)
take_in = task(name="take-in", retries=1, retry_condition_fn=may_help)(intake.take_in)


@flow(name="take-sources", flow_run_name="sources of {night.run_id}")
def ingest(night: Night) -> tuple[CorpusVersion | None, CatalogueSnapshot]:
    """Validate the corpus, where one is needed, and tonight's catalogue."""
    return take_corpus(night), take_catalogue(night)


@flow(name="ingest", flow_run_name="ingest {line}")
@documented
def ingest_line(
    line: Line, source: Source = None, corpus: Corpus = None, lake: Lake = None, confirm_drop: ConfirmDrop = False
) -> Intake:
    """Take a line's catalogue and corpus in; every row ends accepted or in quarantine with its reason."""
    taken = take_in(Order(line=line, source=source, corpus=corpus, lake=lake, confirm_drop=confirm_drop))
    create_table_artifact(close.doors_of(taken), key="doors", description=f"What came in for {line}")
    return taken
