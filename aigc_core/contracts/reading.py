"""How a source is to be read, where a person knows better than detection."""

from typing import Self

from pydantic import Field, model_validator

from aigc_core.contracts.strict import Strict


class Reading(Strict):
    """What is not said here is detected per file, and what was assumed is in the profile."""

    encoding: str | None = None
    """Python codec name, e.g. `gb18030`, `utf-16`, `windows-1252`."""
    delimiter: str | None = Field(None, min_length=1, max_length=2)
    """Between the cells of a delimited file."""
    quote: str | None = Field(None, max_length=1)
    """Around cells; empty for none."""
    escape: str | None = Field(None, max_length=1)
    """Before a quote inside quotes; empty where quotes are doubled."""
    skip_lines: int | None = Field(None, ge=0, le=1000)
    """Lines before the header."""
    header: tuple[str, ...] = ()
    """Column names of a file that has no header line."""

    @model_validator(mode="after")
    def _marks_differ(self) -> Self:
        marks = [mark for mark in (self.delimiter, self.quote, self.escape) if mark]
        if len(set(marks)) < len(marks):
            raise ValueError("delimiter, quote and escape must differ; leave escape empty where quotes are doubled")
        if any(mark in "\r\n" or "\n" in mark or "\r" in mark for mark in marks):
            raise ValueError("delimiter, quote and escape cannot be line ends")
        return self
