"""A shard written and judged, and a trial of a few: what a model takes that has not written before."""

import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.compute as pc

from aigc_core.audit import gate
from aigc_core.audit.screen import Rules, screen
from aigc_core.contracts.content_line import ContentLine
from aigc_core.generation.requests import REQUESTS
from aigc_core.generation.shards import Left, generate_shard, plan_shards
from aigc_core.records import ModelVersion, Part, RequestSet, Shard, Verdicts
from aigc_core.reporting.forecast import Rates, texts_a_request
from aigc_core.storage.files import ParquetSink, read_batches
from aigc_core.storage.progress import RunFolder
from aigc_core.workspace import close_generator, decoding_of, open_generator, row_checks, rules_digest

TRIED = 48
"""Requests written and thrown away to measure a model that has not written before."""


def write_shard(shard: Shard, model: ModelVersion, line: ContentLine, folder: RunFolder) -> Part:
    """One shard's texts, kept in a folder."""
    return generate_shard(shard, lambda: open_generator(model, line), decoding_of(line), folder)


def judge_shard(shard: Shard, part: Part, line: ContentLine, folder: RunFolder) -> Verdicts:
    """What the row checks say of one shard's texts, kept in a folder."""
    return screen(part, shard, row_rules(line), folder)


def row_rules(line: ContentLine) -> Rules:
    """What single texts are judged by."""
    checks = row_checks(line)
    return Rules(checks=checks, contract=line.description.objects[gate.ROWS], digest=rules_digest(line, checks))


def tried(requests: RequestSet, model: ModelVersion, line: ContentLine, folder: RunFolder) -> Rates | None:
    """The rates of a few texts, written and judged once and thrown away; None where none could be written.

    Args:
        folder: keeps the rates.
    """

    def measure() -> tuple[tuple[Rates | None], tuple[Path, ...]]:
        scratch = folder.file("trial")
        try:
            return (_measured(requests, model, line, RunFolder(scratch)),), ()
        finally:
            # Workers load the model themselves, on the same device.
            close_generator()
            shutil.rmtree(scratch, ignore_errors=True)

    # In a tuple, so that a trial that told nothing is not taken for one that was not made.
    return folder.keep("tried", tuple[Rates | None], measure)[0]


def _measured(requests: RequestSet, model: ModelVersion, line: ContentLine, trial: RunFolder) -> Rates | None:
    sample = _sample(requests, trial.file("tried.parquet"))
    (shard,) = plan_shards(sample, Left(), trial, shard_rows=TRIED)
    part = write_shard(shard, model, line, trial)
    if part.failed == part.rows:
        return None
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
