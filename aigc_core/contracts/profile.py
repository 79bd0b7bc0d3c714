"""What a source turned out to hold, as records: JSON-able, and small whatever the size of the source."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from aigc_core.records import Counts, SourceFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """How long a column's values are, in characters."""

    least: int
    p01: int
    median: int
    p95: int
    p99: int
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueCount:
    """A value, shortened for people, and in how many rows it stands."""

    value: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageShare:
    """A language among the sampled values of a column."""

    language: str
    """ISO 639-1 code; `und` where a value is too short or has no letters."""
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnProfile:
    """What one column holds. Counts are rows of the whole source; languages come from a sample."""

    name: str
    type: str
    """`string`, `integer`, `number`, `boolean`, `date`, `timestamp`, or `empty` for a column without a value."""
    basis: str
    """Why this type, in words."""
    values: int
    """Rows with something in it."""
    missing: int
    """Rows without the cell."""
    blank: int
    """Rows whose cell is empty or only spaces."""
    distinct: int
    """Different values, exactly but for colliding 64-bit hashes."""
    least: str = ""
    """Smallest number or earliest date; empty for text."""
    most: str = ""
    lengths: Lengths | None = None
    """Of the values as they came; None for an empty column."""
    plain: Lengths | None = None
    """Of the values with tags taken out and spaces folded; None where no value holds a tag."""
    kinds: Counts = field(default_factory=dict)
    """`integer`, `number`, `boolean`, `date`, `timestamp`, `code`, `url`, `pairs`, `triples`, `marked pairs`
    -> rows."""
    defects: Counts = field(default_factory=dict)
    """`html`, `entities`, `mojibake`, `line breaks`, `control characters`, `spaces around`, `placeholder inside`,
    `lost characters` -> rows; only those found."""
    placeholders: tuple[ValueCount, ...] = ()
    """Whole values that stand for nothing, such as `N/A`."""
    marks: tuple[ValueCount, ...] = ()
    """Placeholders inside longer values, such as `<UNK>`."""
    languages: tuple[LanguageShare, ...] = ()
    """Of values of at least four words or Han characters, most frequent first; empty for other columns."""
    top: tuple[ValueCount, ...] = ()
    """Up to ten most frequent values."""
    pattern: str = ""
    """The tightest of a few patterns that every value matches; empty for none."""

    @property
    def key(self) -> bool:
        """Whether every row has a value of its own."""
        return self.values > 0 and self.missing == self.blank == 0 and self.distinct == self.values

    @property
    def constant(self) -> bool:
        """Whether there is just one value."""
        return self.distinct == 1

    @property
    def rows(self) -> int:
        """Rows that could be taken apart."""
        return self.values + self.missing + self.blank


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """Rows that could not be taken apart, by reason."""

    reason: str
    rows: int
    number: int
    """Where the first of them stands, see `RawRow.number`."""
    example: str
    """Its text, shortened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Values of one column whose rows are services: insurance, gift cards, fees, sold as if they were products."""

    column: str
    values: tuple[ValueCount, ...]
    """As the source has them, most frequent first."""
    basis: str
    """Why they are taken for services, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """How the rows of a source belong together."""

    key: str = ""
    """Column that names an item; empty when none does."""
    key_repeats: int = 0
    """Rows whose key another row has already, where the rows are not lines of one product."""
    fold_by: str = ""
    """Column shared by the lines of one product, where products span several lines."""
    products: int = 0
    """Items: rows, or groups of lines."""
    filled: Counts = field(default_factory=dict)
    """Column -> products that have a value in it; only where products span several lines."""
    varying: tuple[str, ...] = ()
    """Columns with several values within a product."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """Locale -> column with the prose a person wrote."""
    group: str = ""
    """Column shared by items that share one text."""
    repeated_texts: int = 0
    """Items whose text another item has too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One source, looked at once, completely."""

    source: str
    files: tuple[SourceFile, ...]
    rows: int
    """Rows read: readable + unreadable."""
    unreadable: tuple[Unreadable, ...]
    columns: tuple[ColumnProfile, ...]
    structure: Structure
    seconds: float
    services: tuple[Services, ...] = ()
    """Rows that are no products."""

    @property
    def unreadable_rows(self) -> int:
        """Rows that could not be taken apart."""
        return sum(found.rows for found in self.unreadable)

    def column(self, name: str) -> ColumnProfile:
        """One column by its name in the source."""
        return next(column for column in self.columns if column.name == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldReason:
    """Rows in quarantine for one reason."""

    door: str
    reason: str
    rows: int
    examples: tuple[str, ...]
    """Up to three: where it stands, what was wrong and the row, shortened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineProfile:
    """A content line: its sources as they are now, and what ingest has made of them so far."""

    line: str
    sources: Mapping[str, Profile]
    """`catalogue`, `corpus` -> profile; a source that serves both stands under `catalogue and corpus`."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """Source that could not be profiled -> why."""
    counts: Counts = field(default_factory=dict)
    """`corpus version`, `pairs`, `training pairs`, `published texts` ... -> number; only what is there."""
    held: tuple[HeldReason, ...] = ()
    """Of the quarantine, most rows first."""
