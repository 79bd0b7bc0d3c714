"""Rows and cleaning steps written for one test."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from aigc_core.contracts.cleaning import Cleaner
from aigc_core.contracts.cleaning_steps import DoorName, Step
from aigc_core.contracts.schema import RawRow

Values = Mapping[str, Any]


def steps(text: str) -> list[Step]:
    """The steps of a YAML list."""
    return [Step.model_validate(one) for one in yaml.safe_load(text)]


def rows(*values: Values) -> list[RawRow]:
    """One row a mapping, numbered from 1."""
    return [RawRow(number, dict(one)) for number, one in enumerate(values, start=1)]


def clean(text: str, came: Sequence[RawRow], *, door: DoorName = "catalogue", size: int = 10_000) -> list[RawRow]:
    """The rows after the steps of a YAML list, read in batches of a size."""
    batches = [came[start : start + size] for start in range(0, len(came), size)]
    return [row for batch in Cleaner(steps(text), door=door).clean(batches) for row in batch]


def values_after(text: str, *values: Values) -> list[dict[str, Any]]:
    """What the steps make of rows with these values."""
    return [row.values for row in clean(text, rows(*values))]
