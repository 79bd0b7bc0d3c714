"""What a run's texts came from, as a tree: edition, batch, requests and catalogue, model and corpus."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from aigc_core.records import Door, ModelVersion, RunSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One thing and what it was made from."""

    kind: str
    name: str
    digest: str = ""
    """Fingerprint or content hash; empty when it was not recorded."""
    note: str = ""
    inputs: tuple["Node", ...] = ()


def lineage_of(summary: RunSummary, model: ModelVersion, *, digests: Mapping[str, str], generated: int) -> Node:
    """The tree of one run.

    Args:
        summary: the finished run.
        model: what wrote its texts.
        digests: `batch`, `requests`, `catalogue` -> fingerprint, as far as known.
        generated: rows of the batch.
    """
    requests = Node(
        kind="requests",
        name=f"{summary.requests:,} requests",
        digest=digests.get("requests", ""),
        inputs=(_source("catalogue", summary.doors, digests.get("catalogue", "")),),
    )
    batch = Node(
        kind="batch",
        name=f"{generated:,} texts",
        digest=digests.get("batch", ""),
        note=f"run {summary.run_id}",
        inputs=(requests, _model(model, summary.doors)),
    )
    return Node(kind="edition", name=_edition(summary), note=f"line {summary.line}, {summary.date}", inputs=(batch,))


def as_text(node: Node) -> str:
    """The tree as plain lines, inputs indented below what was made from them."""
    return "\n".join(_lines(node, ""))


def _lines(node: Node, indent: str) -> Iterator[str]:
    yield indent + " ".join(part for part in (node.kind, node.name, node.digest, node.note) if part)
    for below in node.inputs:
        yield from _lines(below, indent + "  ")


def _edition(summary: RunSummary) -> str:
    if summary.blocked:
        return "none: the run was blocked"
    return "none: nothing to publish" if summary.edition is None else str(summary.edition)


def _model(model: ModelVersion, doors: tuple[Door, ...]) -> Node:
    corpus = _source("corpus", doors, model.corpus_fingerprint)
    return Node(
        kind="model",
        name=model.engine,
        digest=model.digest,
        note=f"from {model.base}",
        inputs=(corpus,) if model.corpus_fingerprint or corpus.name else (),
    )


def _source(kind: str, doors: tuple[Door, ...], digest: str) -> Node:
    """The door's file; a stage that did not run tonight has no door, but may be known by its fingerprint."""
    door = next((door for door in doors if door.name == kind), None)
    if door is None:
        return Node(kind=kind, name="", digest=digest, note="read in an earlier run" if digest else "")
    return Node(kind=kind, name=door.source, digest=digest, note=f"{door.accepted:,} of {door.rows:,} rows accepted")
