"""The records of what comes in: how files were read, what rules found, where every row went. Part of `records`."""

from dataclasses import dataclass, field

from aigc_core.errors import ConservationBroken

Counts = dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """How one file of a source was read: declared or detected, never silently assumed."""

    path: str
    bytes: int
    format: str
    """`csv`, `text`, `json`, `jsonl` or `parquet`; empty for an empty file."""
    compression: str = ""
    """`gzip`, `bz2`, `zstd`; empty for none."""
    encoding: str = ""
    """Python codec name; empty for Parquet."""
    encoding_basis: str = ""
    """`declared`, `byte order mark`, `every byte fits`, or `detected` with what speaks for it."""
    delimiter: str = ""
    quote: str = ""
    escape: str = ""
    header_line: int = 0
    """Line of the header, from 1; 0 where there is none."""
    notes: tuple[str, ...] = ()
    """What else was assumed, in words a person understands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleResult:
    """What one rule of a contract found among the rows of a door."""

    rule_id: str
    level: str
    """`block`, `quarantine` or `warn`."""
    about: str
    """The columns it is about; empty for the whole."""
    words: str
    """The rule as a person reads it."""
    engine: str
    """`great_expectations`, `sql` or `schema`."""
    rows: int
    """Rows judged."""
    broken: int
    """Rows that break it; 0 or 1 for a rule on the whole set."""
    passed: bool
    examples: tuple[str, ...] = ()
    """Up to five values that break it, shortened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What came to one door and where it went: rows = accepted + quarantined + repeated + unlabelled + withheld."""

    name: str
    """`catalogue` or `corpus`."""
    source: str
    """The file as the user named it."""
    rows: int
    """Rows judged: an item, or a pair of item and locale."""
    accepted: int
    quarantined: int
    repeated: int = 0
    """Rows equal to an accepted one (same id, same content): counted, kept once."""
    unlabelled: int = 0
    """Corpus rows without a text that hold otherwise: kept apart for continued pre-training."""
    withheld: int = 0
    """Rows of items under takedown: kept nowhere."""
    read: int = 0
    """Source records read; one product may span several."""
    folded: int = 0
    """Source records that became part of another's row."""
    cleaned: Counts = field(default_factory=dict)
    """Cleaning step -> cells or rows it changed."""
    flagged: Counts = field(default_factory=dict)
    """Check of training pairs -> accepted pairs in which it found something."""
    masked: Counts = field(default_factory=dict)
    """Kind of personal data -> places masked in accepted pairs."""
    sharing: int = 0
    """Accepted pairs whose text an earlier variant of the same product has."""
    warnings: tuple[str, ...] = ()
    """What else a person should know, in words."""
    files: tuple[SourceFile, ...] = ()
    rules: tuple[RuleResult, ...] = ()
    reasons: Counts = field(default_factory=dict)
    """Quarantine reason -> rows; the values add up to `quarantined`."""

    def require_conserved(self) -> "Door":
        """This door, or `ConservationBroken` when a row is lost or counted twice."""
        ended = self.accepted + self.quarantined + self.repeated + self.unlabelled + self.withheld
        if ended != self.rows or sum(self.reasons.values()) != self.quarantined:
            raise ConservationBroken(
                f"{self.rows} rows came to the {self.name} door, but {ended} left it: {self.accepted} accepted, "
                f"{self.quarantined} quarantined for {sum(self.reasons.values())} reasons, {self.repeated} repeated, "
                f"{self.unlabelled} unlabelled, {self.withheld} withheld.",
                "Every row must end in exactly one state.",
            )
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """How a version differs from the one before, by key: rows that came, changed, went."""

    before: int = 0
    """Rows of the version before; 0 for the first."""
    came: int = 0
    changed: int = 0
    went: int = 0

    @property
    def drop(self) -> float:
        """Share of the rows before that went, in [0, 1]."""
        return self.went / self.before if self.before else 0.0
