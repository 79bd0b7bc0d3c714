"""The records that cross stages: frozen, small, JSON-able. Rows stay in the Parquet files that a record names.

All paths are strings relative to nothing: absolute paths or URIs inside the lake.
"""

from dataclasses import dataclass, field
from typing import Literal

from aigc_core.doors import Counts as Counts
from aigc_core.doors import Door as Door
from aigc_core.doors import RuleResult as RuleResult
from aigc_core.doors import Shift as Shift
from aigc_core.doors import SourceFile as SourceFile
from aigc_core.errors import AuditBlocked

TERMINAL_STATES = (
    "published",
    "rejected",
    "quarantined",
    "duplicate",
    "unchanged",
    "no_data",
    "withheld",
    "failed",
    "carried_over",
)
"""Every request ends in exactly one of these (see the README's words)."""

EngineName = Literal["hf", "ct2", "endpoint", "vllm", "template"]
"""What can write texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusVersion:
    """Validated training pairs: one version of the line's corpus table."""

    line: str
    table: str
    """URI of the Delta table."""
    version: int
    fingerprint: str
    """Depends on the pairs, the split and nothing else."""
    pairs: int
    training_pairs: int
    held_out_pairs: int
    door: Door
    shift: Shift = field(default_factory=Shift)
    hygiene: dict[str, object] = field(default_factory=dict)
    """What the checks of training pairs found, as `corpus.hygiene.HygieneReport` spells it."""
    repeated: bool = False
    """The same source under the same rules was taken in before: nothing was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One training pair to show a model."""

    item_id: str
    product_group: str
    category: str | None
    attributes: tuple[tuple[str, str], ...]
    """(name, value) in prompt order; names may repeat."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """The pairs a night's prompts may show."""

    corpus_version: int
    drawn: dict[str, dict[str, tuple[Example, ...]]]
    """Locale -> category -> examples, best first; under the empty name those for any other category."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueSnapshot:
    """The items that want text tonight, validated and pinned in the run's folder."""

    line: str
    path: str
    """One Parquet file, rows in source order."""
    fingerprint: str
    items: int
    door: Door
    table: str = ""
    """URI of the line's catalogue table."""
    version: int = 0
    """Version of that table which holds these items."""
    ingested: str = ""
    """Fingerprint of the source and of all that decided about its rows; quarantine names it too."""
    shift: Shift = field(default_factory=Shift)
    repeated: bool = False
    """The same source under the same rules was taken in before: nothing was judged anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What one ingest took in."""

    line: str
    lake: str
    catalogue: CatalogueSnapshot | None = None
    corpus: CorpusVersion | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One model a run can generate with, content-addressed."""

    line: str
    digest: str
    """Fingerprint of the weights, tokenizer and configuration; `template-<n>` for the template engine."""
    engine: str
    path: str
    """Folder with safetensors and tokenizer; empty for the template engine."""
    base: str
    """What it was tuned from: `starter`, a local path or a hub id; `template` for the template engine."""
    variant: str = ""
    """Folder of the converted model that engine `ct2` reads; empty for the others."""
    dtype: str = ""
    """Numeric type that the run's texts are made in, by every worker; empty for a model that no run has taken."""
    corpus_fingerprint: str = ""
    corpus_version: int | None = None
    """Version of the corpus table it learnt from; None for a model that was not tuned here."""
    parameters: int = 0
    training_tokens: int = 0
    training_seconds: float = 0.0
    held_out_loss: float | None = None
    """Mean cross-entropy in nats per completion token on held-out groups."""
    loss_curve: tuple[tuple[int, float, float | None], ...] = ()
    """(step, training loss, held-out loss or None) in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the next token is chosen. Temperature 0 is greedy; top_p 1 and top_k 0 cut nothing."""

    temperature: float = 0.7
    top_p: float = 0.95
    top_k: int = 0
    max_new_tokens: int = 160
    repetition_window: int = 0
    """0 switches it off: otherwise a text whose last `n` tokens repeat thrice in a row is cut as a loop."""
    stop: tuple[str, ...] = ()
    """A text ends before the first of these strings."""
    best_of: int = 1
    """Drafts written for a request, of which the best is kept."""
    watermark: str = ""
    """Canonical JSON of the watermark's settings, with a fingerprint for its key; empty for none."""
    json_schema: str = ""
    """JSON of the schema a text must follow, properties in the order of writing; empty for free text."""
    json_text: str = ""
    """Property of the object that becomes the text; empty: the JSON is the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSet:
    """One immutable Parquet file of requests, one row an item and locale."""

    run_id: str
    path: str
    fingerprint: str
    requests: int
    to_generate: int
    reasons: Counts
    """Why each request is or is not generated -> rows; adds up to `requests`."""
    states: Counts
    """Terminal states already known without generating (`unchanged`, `no_data`, `withheld`) -> rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """Up to 2,000 requests generated together in one attempt."""

    run_id: str
    attempt: int
    """From 1."""
    number: int
    """From 0, within the attempt."""
    of: int
    """Shards in the attempt."""
    path: str
    fingerprint: str
    """Depends on the requests and the attempt only."""
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a worker is sent to: a run's shards, those of its later attempts included."""

    lake: str | None
    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How far a night's writing is."""

    attempt: int
    shards: int
    """Written and judged in this attempt so far."""
    shards_of: int
    written: int
    """Texts of all attempts so far."""
    accepted: int
    to_generate: int
    tokens: int
    tokens_per_second: float
    """In this attempt, by the wall clock."""
    seconds_left: float | None
    """To the end of this attempt at the pace so far; None before there is one."""
    cost: float
    """Of the writing so far, in `currency`."""
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The texts of one shard: an immutable Parquet file whose bytes hash to `sha256`."""

    run_id: str
    attempt: int
    number: int
    path: str
    sha256: str
    rows: int
    failed: int
    """Rows the engine could not make a text for; they stand in the file with their error."""
    prompt_tokens: int
    tokens: int
    """Generated tokens, stop tokens left out."""
    seconds: float
    finished_at: str
    """When the texts were written: UTC, ISO 8601; becomes the rows' `generated_at`."""
    host: str = ""
    """Where, as `storage.processes` names it; empty in older records."""
    ended: float = 0.0
    """When, in seconds since 1970."""
    discarded_tokens: int = 0
    """Generated and thrown away, e.g. those of drafts that were not kept."""

    @property
    def made_tokens(self) -> int:
        """All generated tokens: what was computed, and what a server charges."""
        return self.tokens + self.discarded_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """What the row checks said of one part: a Parquet file, one row a text."""

    run_id: str
    attempt: int
    number: int
    path: str
    sha256: str
    rows: int
    accepted: int
    findings: Counts
    """check id -> rows with at least one finding."""
    errors: int
    """Rows for which a check crashed, was short or returned NaN; never accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """All texts of one run, one row a generated request, sealed: no reader of published data sees it."""

    run_id: str
    paths: tuple[str, ...]
    sha256s: tuple[str, ...]
    content_hash: str
    """Over the files' hashes in order: what the audit saw and the publisher must find again."""
    rows: int
    requests: RequestSet
    attempts: Counts
    """attempt number -> texts generated in it."""
    tokens: int
    """All that were generated, discarded ones included."""
    prompt_tokens: int
    generation_seconds: float
    """Of machines: workers side by side on one take its time once."""
    wasted: Counts = field(default_factory=dict)
    """Why a text was not kept (the check that refused it, `length`, `loop`, `error`, `contract`, `repeated`), or
    `discarded drafts` -> those of `tokens`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One rule over the run and what came of it."""

    gate_id: str
    level: str
    """`block` or `warn`."""
    measure: str
    value: float | None
    """None when the measure could not be taken; such a gate has not passed."""
    rule: str
    """As text, e.g. `<= 0.05`."""
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedAudit:
    """Leave to publish exactly these bytes. Only `AuditReport.require_passed` makes one."""

    run_id: str
    content_hash: str
    decisions_sha256: str
    contract_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """One decision per row (a Parquet file) and one for the run (the gates)."""

    run_id: str
    content_hash: str
    contract_digest: str
    decisions: str
    """Path of the Parquet file with one terminal state and reason a row."""
    decisions_sha256: str
    states: Counts
    """`published` here means: would be published."""
    reasons: Counts
    gates: tuple[Gate, ...]
    canaries: int
    canaries_missed: tuple[str, ...]

    @property
    def blocked_by(self) -> tuple[Gate, ...]:
        """The gates that hold the run back."""
        return tuple(gate for gate in self.gates if gate.level == "block" and not gate.passed)

    def require_passed(self) -> PassedAudit:
        """Leave to publish, or `AuditBlocked` naming every gate that refused."""
        if self.blocked_by or not self.gates:
            refusals = "; ".join(
                f"{gate.gate_id} {gate.measure} = {gate.value} (must be {gate.rule})" for gate in self.blocked_by
            )
            raise AuditBlocked(
                f"The audit blocked run {self.run_id}: {refusals or 'no gate was evaluated'}.",
                "Nothing was published; the published table is as it was.",
                f"Look at the run's report, or run `aigc show {self.run_id}`.",
                self.run_id,
            )
        return PassedAudit(
            run_id=self.run_id,
            content_hash=self.content_hash,
            decisions_sha256=self.decisions_sha256,
            contract_digest=self.contract_digest,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """One publication: one commit of the published table."""

    run_id: str
    table: str
    version: int | None
    """The table's version after the commit; None when nothing had to be published."""
    published: int
    repeated: bool = False
    """The commit was found already done by an earlier, interrupted try."""
    withdrawn: int = 0
    """Texts taken off the shelf: their item left the catalogue, or they fail rules made later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """One finished run, as `aigc nightly --json` prints it and `aigc runs` lists it."""

    line: str
    run_id: str
    date: str
    edition: int | None
    requests: int
    states: Counts
    reasons: Counts
    """Why requests ended otherwise than published -> requests; and `catalogue ...`, `corpus ...`: why rows were refused
    at a door -> rows."""
    planned: Counts
    """Why each request was or was not generated -> requests; adds up to `requests`."""
    attempts: Counts
    """Attempt -> texts generated in it."""
    tokens: int
    """As `Batch.tokens`."""
    tokens_per_second: float
    seconds: dict[str, float]
    cost: dict[str, float | str]
    model: dict[str, object]
    lake: str
    report: str
    doors: tuple[Door, ...]
    findings: Counts
    gates: tuple[Gate, ...]
    seen: dict[str, Counts]
    """`seen` and `unseen` product groups -> terminal state -> rows."""
    blocked: bool = False
    withdrawn: int = 0
    """Texts taken off the shelf: their item left the catalogue, or they fail rules made later."""
    wasted: Counts = field(default_factory=dict)
    """As `Batch.wasted`."""
    pinned: dict[str, int | None] = field(default_factory=dict)
    """`catalogue` and `corpus` -> version of the table the night worked with; None where it used none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What was asked of a night, as it was asked; None means the recipe's or the usual."""

    line: str
    lake: str | None = None
    source: str | None = None
    corpus: str | None = None
    date: str | None = None
    """Logical date, ISO 8601; today in UTC when None."""
    limit: int | None = None
    engine: str | None = None
    model: str | None = None
    retrain: bool = False
    retry_rejected: bool = False
    confirm_drop: bool = False
    """Go on though more than a tenth of the catalogue's items are gone."""
    confirm_cost: bool = False
    """Go on though the plan passes a cap of the recipe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """One run, pinned: what every step of it works with. Written to `run.json` before anything is made."""

    run_id: str
    run_key: str
    lake: str
    line: str
    line_digest: str
    date: str
    source: str
    source_sha256: str
    corpus: str | None
    limit: int | None
    engine: str
    model: str | None
    retrain: bool
    retry_rejected: bool
    asked: str
    """Fingerprint of order, sources and line: equal for the same command."""
    corpus_asked: bool
    """Whether the corpus was named in the order: then it is taken in even when nothing is trained."""
    started_at: str
    attempts: int
    confirm_drop: bool = False
    confirm_cost: bool = False
    watermark: str = ""
    """Scheme and key of the mark in the texts, as `Making` names it; empty for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a plan is expected to take; None where nothing is known to tell it from."""

    texts: float
    """Texts generated, later attempts included."""
    tokens: float | None
    seconds: float | None
    """Of the device, from the first text to the report."""
    money: float | None
    """In the recipe's currency."""
    basis: str
    """What the figures are drawn from, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a night would do, told before anything is generated."""

    line: str
    lake: str
    date: str
    source: str
    engine: str
    model: str
    """Digest of the model that would write; empty where one is trained first."""
    requests: int
    to_generate: int
    reasons: Counts
    """Family of reasons (`new`, `attributes changed`, `no data` ...) -> requests; adds up to `requests`."""
    states: Counts
    """Terminal states known without generating -> requests."""
    door: Door
    estimate: Estimate
    currency: str
    caps: tuple[str, ...] = ()
    """The recipe's caps that would be passed, in words."""
    notes: tuple[str, ...] = ()
