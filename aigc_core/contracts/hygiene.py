"""What a recipe asks of training pairs beyond the contract."""

from typing import Literal

from pydantic import Field

from aigc_core.contracts.strict import Share, Strict

Action = Literal["quarantine", "flag", "off"]
"""`flag` keeps the pair and counts it."""


class Duplicates(Strict):
    """D-1 and D-2 on texts of different product groups; variants of one product may share a text."""

    exact: Action = "quarantine"
    near: Action = "quarantine"
    near_at: Share = 0.9
    """Jaccard of character trigrams from which a text is a near duplicate (TRUST D-2)."""
    flag_at: Share = 0.8
    """From here on pairs are counted as similar and kept."""


class Licences(Strict):
    """Under which terms the texts may train a model."""

    declared: str | None = None
    """SPDX id or own name of the licence of every row that names none; `internal` for own data."""
    column: str | None = None
    """Source column with a licence per row."""
    source: str | None = None
    """Where the rows come from, when no column says it: a name or address."""
    source_column: str | None = None
    allowed: tuple[str, ...] = ("internal", "CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "MIT", "Apache-2.0", "BSD-3-Clause")
    """Rows under another licence are quarantined."""


class Hygiene(Strict):
    """Checks of training pairs and what each does."""

    duplicates: Duplicates = Duplicates()
    language: Action = "quarantine"
    gopher: Action = "quarantine"
    """Gopher quality and repetition rules, for texts of at least `gopher_words` words."""
    gopher_words: int = Field(50, ge=10, le=10_000)
    personal_data: Literal["mask", "quarantine", "flag", "off"] = "mask"
    claims: Action = "flag"
    """Advertising-law terms of the markets named."""
    markets: tuple[Literal["cn", "eu", "us"], ...] = ("cn", "eu", "us")
    licence: Licences = Licences()
