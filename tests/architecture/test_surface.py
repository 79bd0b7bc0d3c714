"""The public surface: nothing enters or leaves it but through this file."""

from dataclasses import fields

import yaml
from repository import cli

from aigc_core.records import TERMINAL_STATES, RunSummary
from aigc_core.workspace import REPOSITORY

COMMANDS = {
    "lines": {"--json"},
    "nightly": {
        "line", "--source", "--corpus", "--lake", "--date", "--limit", "--engine", "--model", "--retrain",
        "--retry-rejected", "--confirm-drop", "--confirm-cost", "--json",
    },
    "plan": {
        "line", "--source", "--corpus", "--lake", "--date", "--limit", "--engine", "--model", "--retrain",
        "--retry-rejected", "--confirm-drop", "--calibrate", "--json",
    },
    "profile": {"target", "--html", "--encoding", "--delimiter", "--lake", "--json"},
    "line new": {"name", "--from", "--title", "--licence", "--key", "--text", "--encoding", "--delimiter", "--json"},
    "contract check": {"file", "--json"},
    "ingest": {"line", "--source", "--corpus", "--lake", "--confirm-drop", "--json"},
    "examples": {"line", "--locale", "--category", "--count", "--lake", "--json"},
    "runs": {"--lake", "--json"},
    "show": {"run", "--item", "--rows", "--lake", "--json"},
    "query": {"sql", "--format", "--limit", "--seconds", "--lake"},
    "up": {"--host", "--port", "--lake"},
}  # fmt: skip
FLOWS = {
    "flows/nightly.py:nightly": "nightly",
    "flows/generate_batch.py:generate_batch": "generate",
    "flows/finetune_model.py:finetune_model": "fine-tune",
    "flows/ingest_corpus.py:ingest_line": "ingest",
    "flows/write_shards.py:write_shards": "write-shards",
}
DEPLOYMENTS = {
    "product-description": "flows/nightly.py:nightly",
    "fashion-description": "flows/nightly.py:nightly",
    "ad-copy-zh": "flows/nightly.py:nightly",
    "ingest": "flows/ingest_corpus.py:ingest_line",
    "fine-tune": "flows/finetune_model.py:finetune_model",
    "generate": "flows/generate_batch.py:generate_batch",
    "write-shards": "flows/write_shards.py:write_shards",
}
STATES = (
    "published", "rejected", "quarantined", "duplicate", "unchanged", "no_data", "withheld", "failed", "carried_over",
)  # fmt: skip
PROMISED = {
    "line", "run_id", "date", "edition", "requests", "states", "reasons", "attempts", "tokens", "tokens_per_second",
    "seconds", "cost", "model", "lake", "report",
}  # fmt: skip
BEYOND = {"planned", "doors", "findings", "gates", "seen", "blocked", "withdrawn", "pinned", "wasted"}


def test_commands_and_options() -> None:
    named = {
        f"{group} {name}".strip(): command
        for group, found in cli().commands.items()
        for name, command in getattr(found, "commands", {"": found}).items()
    }
    options = {
        name: {option for parameter in command.params for option in parameter.opts} for name, command in named.items()
    }
    assert options == COMMANDS


def test_flow_names() -> None:
    from prefect.flows import load_flow_from_entrypoint

    assert {entry: load_flow_from_entrypoint(str(REPOSITORY / entry)).name for entry in FLOWS} == FLOWS


def test_deployments() -> None:
    described = yaml.safe_load((REPOSITORY / "infra" / "prefect.yaml").read_text("utf-8"))["deployments"]
    assert {entry["name"]: entry["entrypoint"] for entry in described} == DEPLOYMENTS
    assert set(DEPLOYMENTS.values()) == set(FLOWS)


def test_deployments_name_lines_that_are_there() -> None:
    described = yaml.safe_load((REPOSITORY / "infra" / "prefect.yaml").read_text("utf-8"))["deployments"]
    lines = {path.parent.name for path in (REPOSITORY / "data_contracts").glob("*/recipe.yaml")}
    nights = {entry["parameters"]["line"] for entry in described if entry["entrypoint"].endswith(":nightly")}
    assert nights == lines


def test_terminal_states() -> None:
    assert TERMINAL_STATES == STATES


def test_keys_of_the_nightly_json() -> None:
    assert {field.name for field in fields(RunSummary)} == PROMISED | BEYOND
