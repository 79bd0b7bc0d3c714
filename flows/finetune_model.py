"""Fine-tune: a model from a corpus, as a step of a night or by itself on the pool `gpu`."""

from prefect import flow, task

from aigc_core.night import intake, steps
from aigc_core.records import CorpusVersion, ModelVersion, Night, Order
from flows.parameters import Corpus, Lake, Line, documented
from flows.retries import may_help

tune = task(name="tune", retries=1, retry_condition_fn=may_help)(intake.tune)
obtain = task(name="obtain-model", retries=1, retry_condition_fn=may_help)(steps.obtain_model)


@flow(name="obtain-model", flow_run_name="model for {night.run_id}")
def obtain_model(night: Night, corpus: CorpusVersion | None) -> ModelVersion:
    """Tonight's model: named, champion, or trained now."""
    return obtain(night, corpus)


@flow(name="fine-tune", flow_run_name="fine-tune {line}")
@documented
def finetune_model(line: Line, corpus: Corpus = None, lake: Lake = None) -> ModelVersion:
    """Take a line's training pairs in and fine-tune its model; the new model writes from the next night on."""
    return tune(Order(line=line, corpus=corpus, lake=lake))
