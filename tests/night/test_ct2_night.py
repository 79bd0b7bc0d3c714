"""A whole night whose texts CTranslate2 writes, by the command."""

import json
from pathlib import Path

from nights import DATE, LINE, Aigc, LineCopy

from aigc_core.engines.loading import folder_digest
from aigc_core.storage.progress import release

SMALL = {"generation.attempts": 1, "generation.sampling": {"temperature": 0, "max_new_tokens": 8}}


def test_a_night_converts_a_model_and_writes_with_it(aigc: Aigc, line_copy: LineCopy, tiny_llama: str) -> None:
    """A random model writes nothing that may be published: the audit holds it back, and the exit code says so."""
    line_copy(SMALL)
    words = ("nightly", LINE, "--engine", "ct2", "--model", tiny_llama, "--limit", 6, "--date", DATE, "--lake", "lake")
    said = aigc(*words, "--json")
    assert said.code == 4, said.err
    shown = aigc("query", "SELECT summary FROM runs", "--format", "jsonl", "--lake", "lake").out
    run = json.loads(json.loads(shown)["summary"])
    assert (run["model"]["engine"], run["model"]["digest"]) == ("ct2", folder_digest(tiny_llama))
    assert run["model"]["texts_repeat"].startswith("greedy")
    assert run["tokens"] == 8 * 12


def test_a_variant_below_the_recipes_share_stops_the_night(aigc: Aigc, line_copy: LineCopy, tiny_llama: str) -> None:
    line_copy({**SMALL, "generation.dtype": "int8", "generation.parity": 1.0, "generation.engine": "ct2"})
    said = aigc("nightly", LINE, "--model", tiny_llama, "--limit", 6, "--lake", "lake")
    assert said.code == 2
    assert "are equal to those of hf in float32" in " ".join(said.err.split())
    for run in Path("lake/runs").absolute().iterdir():  # a refused night keeps its lock until its process ends
        release(run)


def test_a_numeric_type_the_engine_does_not_serve_is_refused_at_once(aigc: Aigc, line_copy: LineCopy) -> None:
    line_copy({"generation.dtype": "bfloat16"})
    said = aigc("nightly", LINE, "--engine", "ct2", "--limit", 6, "--lake", "lake")
    assert said.code == 2
    assert "does not compute in bfloat16" in said.err
