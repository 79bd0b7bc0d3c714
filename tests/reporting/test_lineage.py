from dataclasses import replace
from pathlib import Path

from reporting_run import build_run, item_row

from aigc_core.reporting.lineage import as_text, lineage_of


def test_tree_reads_from_the_edition_down_to_the_sources(tmp_path: Path) -> None:
    summary, files, model = build_run(tmp_path, [item_row(n) for n in range(40)])
    lines = as_text(lineage_of(summary, model, digests=files.digests, generated=36)).splitlines()
    assert lines == [
        "edition 14 line fashion_description, 2027-01-14",
        f"  batch 36 texts {'b' * 32} run 20270114-020000-4f1c",
        f"    requests 40 requests {'r' * 32}",
        f"      catalogue articles.csv {'c' * 32} 250 of 260 rows accepted",
        f"    model hf {model.digest} from starter",
        f"      corpus pairs.jsonl.gz {model.corpus_fingerprint} 4,961 of 5,000 rows accepted",
    ]


def test_what_did_not_happen_is_said(tmp_path: Path) -> None:
    summary, _, model = build_run(tmp_path, [item_row(1)])
    quiet = replace(summary, edition=None, doors=())
    text = as_text(lineage_of(quiet, model, digests={}, generated=0))
    assert "edition none: nothing to publish" in text
    assert f"corpus {model.corpus_fingerprint} read in an earlier run" in text
    blocked = as_text(lineage_of(replace(quiet, blocked=True), model, digests={}, generated=0))
    assert blocked.startswith("edition none: the run was blocked")


def test_a_model_without_a_corpus_has_no_branch_for_one(tmp_path: Path) -> None:
    summary, _, model = build_run(tmp_path, [item_row(1)])
    template = replace(model, engine="template", base="template", corpus_fingerprint="")
    tree = lineage_of(replace(summary, doors=()), template, digests={}, generated=1)
    assert "corpus" not in as_text(tree)
