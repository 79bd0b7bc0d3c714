"""Ingest: both doors in, as tasks of a night."""

from prefect import flow, task

from aigc_core.night import steps
from aigc_core.records import CatalogueSnapshot, CorpusVersion, Night
from flows.retries import may_help

take_corpus = task(name="take-corpus", retries=1, retry_condition_fn=may_help)(steps.take_corpus)
take_catalogue = task(name="take-catalogue", retries=1, retry_condition_fn=may_help)(steps.take_catalogue)


@flow(name="ingest", flow_run_name="ingest {night.run_id}")
def ingest(night: Night) -> tuple[CorpusVersion | None, CatalogueSnapshot]:
    """Validate the corpus, where one is needed, and tonight's catalogue."""
    return take_corpus(night), take_catalogue(night)
