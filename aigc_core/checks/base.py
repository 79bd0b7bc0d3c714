"""One way for all row checks: a batch of texts goes in, score columns and findings come out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Literal, Protocol, TypeVar

import pyarrow as pa

from aigc_core.contracts.strict import Strict
from aigc_core.ids import fingerprint

Severity = Literal["block", "quarantine", "warn"]
RANK: dict[str, int] = {"block": 2, "quarantine": 1, "warn": 0}

FINDING_TYPE = pa.struct(
    [
        pa.field("check_id", pa.string(), nullable=False),
        pa.field("version", pa.string(), nullable=False),
        pa.field("severity", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("spans", pa.list_(pa.struct([("start", pa.int32()), ("end", pa.int32())])), nullable=False),
        pa.field("evidence", pa.string(), nullable=False),
        pa.field("params_digest", pa.string(), nullable=False),
    ]
)
"""Spans are half-open character ranges of the text. Evidence is short and never holds personal data."""

TEXTS = pa.schema(
    [
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("locale", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("finish_reason", pa.string(), nullable=False),
        pa.field("prompt", pa.string(), nullable=False),
        pa.field("attributes", pa.list_(pa.struct([("name", pa.string()), ("value", pa.string())])), nullable=False),
    ]
)
"""The columns every row check may rely on; batches may hold more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing a check holds against one text."""

    row: int
    """Index in the batch."""
    severity: Severity
    reason: str
    """In words a shop's editor understands, without the text itself."""
    spans: tuple[tuple[int, int], ...] = ()
    evidence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What one check says of one batch."""

    findings: Sequence[Finding]
    scores: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Score column -> one finite number a row."""


class RowCheck(Protocol):
    """A check that judges each text by itself."""

    @property
    def check_id(self) -> str:
        """Id in the trust catalogue, e.g. `Q-F2`."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever the same text could be judged differently."""
        ...

    @property
    def params_digest(self) -> str:
        """Fingerprint of the parameters in force."""
        ...

    @property
    def score_columns(self) -> tuple[str, ...]:
        """Names of the score columns every result carries."""
        ...

    def __call__(self, batch: pa.RecordBatch) -> CheckResult:
        """Judge the rows; no state is kept between calls, so order and batch size never change a verdict."""
        ...


class NoParameters(Strict):
    """Of a check that has none."""


P_co = TypeVar("P_co", bound=Strict, covariant=True)


class ParameterCheck(Generic[P_co]):
    """What all row checks have in common: an id, a version and parameters read from the recipe."""

    check_id: str
    version: str
    score_columns: tuple[str, ...] = ()

    def __init__(self, parameters: P_co) -> None:
        self._parameters = parameters
        self.params_digest = fingerprint(parameters.model_dump(mode="json"))

    @property
    def parameters(self) -> P_co:
        """The parameters in force."""
        return self._parameters
