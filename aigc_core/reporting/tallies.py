"""Counts over a run's Parquet files, streamed: memory is bounded by the groups, never by the rows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aigc_core.errors import IntegrityBroken
from aigc_core.storage.files import read_batches

MOST_GROUPS = 2000
"""Distinct groups counted by themselves; any later ones are counted together as `OTHERS`."""
OTHERS = "(others)"
LONGEST = 8191
"""Longer texts are counted as having so many characters."""
BINS = 40

Groups = dict[tuple[str, ...], int]
_Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """How one number is spread over the texts: equal bins from `low` to `high`."""

    name: str
    """The locale or the score column."""
    low: float
    high: float
    counts: tuple[int, ...]
    mean: float
    median: float
    """Exact for lengths; the middle of its bin for scores."""
    least: float
    most: float

    @property
    def rows(self) -> int:
        """Texts counted."""
        return sum(self.counts)


def count_groups(paths: Iterable[str], columns: Sequence[str]) -> Groups:
    """Rows by the values of some columns, as text; a null reads as the empty text."""
    counts: Groups = {}
    for batch in _batches(paths, columns):
        groups = pa.Table.from_batches([batch]).group_by(list(columns)).aggregate([([], "count_all")])
        for row in groups.to_pylist():
            key = tuple("" if row[column] is None else str(row[column]) for column in columns)
            _add(counts, key, int(row["count_all"]))
    return counts


def rows_in(paths: Iterable[str]) -> int:
    """Rows of some Parquet files, read from their footers."""
    return sum(int(_footer(path).num_rows) for path in paths)


def text_lengths(paths: Sequence[str]) -> tuple[Distribution, ...]:
    """Characters per text, one distribution a locale, sorted; empty texts are left out."""
    counts: dict[str, _Counts] = {}
    for batch in _batches(paths, ["locale", "text"]):
        lengths = np.minimum(pc.utf8_length(batch["text"]).fill_null(0).to_numpy(zero_copy_only=False), LONGEST)
        for locale in pc.unique(batch["locale"]).to_pylist():
            here = lengths[pc.equal(batch["locale"], locale).to_numpy(zero_copy_only=False)]
            counted = np.bincount(here[here > 0], minlength=LONGEST + 1)
            counts[locale] = counts.get(locale, np.zeros(LONGEST + 1, np.int64)) + counted
    return tuple(_lengths(locale, counts[locale]) for locale in sorted(counts) if counts[locale].any())


def scores(paths: Sequence[str]) -> tuple[Distribution, ...]:
    """One distribution a float64 column all files have, by name; without a finite number it is left out."""
    ranges = _ranges(paths, _score_names(paths))
    counts = {name: np.zeros(BINS, np.int64) for name in ranges}
    sums = dict.fromkeys(ranges, 0.0)
    for batch in _batches(paths, list(ranges)) if ranges else ():
        for name, span in ranges.items():
            values = _finite(batch[name])
            counts[name] += np.histogram(values, bins=BINS, range=span)[0]
            sums[name] += float(values.sum())
    return tuple(_score(name, ranges[name], counts[name], sums[name]) for name in ranges)


def _add(counts: Groups, key: tuple[str, ...], rows: int) -> None:
    if key not in counts and len(counts) >= MOST_GROUPS:
        key = (OTHERS,) * len(key)
    counts[key] = counts.get(key, 0) + rows


def _batches(paths: Iterable[str], columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    for path in paths:
        yield from read_batches(path, list(columns))


def _footer(path: str) -> pq.FileMetaData:
    try:
        return pq.read_metadata(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise IntegrityBroken(f"{path} cannot be read back: {error}.") from error


def _score_names(paths: Sequence[str]) -> list[str]:
    schemas = [_footer(path).schema.to_arrow_schema() for path in paths]
    names = [{field.name for field in schema if pa.types.is_float64(field.type)} for schema in schemas]
    return sorted(set.intersection(*names)) if names else []


def _ranges(paths: Sequence[str], names: Sequence[str]) -> dict[str, tuple[float, float]]:
    found: dict[str, tuple[float, float]] = {}
    for batch in _batches(paths, names) if names else ():
        for name in names:
            values = _finite(batch[name])
            if values.size:
                low, high = found.get(name, (np.inf, -np.inf))
                found[name] = (min(low, float(values.min())), max(high, float(values.max())))
    return {name: found[name] for name in names if name in found}


def _finite(column: pa.Array) -> npt.NDArray[np.float64]:
    values: npt.NDArray[np.float64] = column.to_numpy(zero_copy_only=False).astype(np.float64)
    return values[np.isfinite(values)]


def _lengths(locale: str, counts: _Counts) -> Distribution:
    """Bins of a whole number of characters, at most `BINS` of them between the shortest and the longest."""
    least, most = (int(end) for end in np.flatnonzero(counts)[[0, -1]])
    width = max(1, -(-(most - least + 1) // BINS))
    low = least // width * width
    cut = counts[low : most + 1]
    padded = np.pad(cut, (0, -len(cut) % width)).reshape(-1, width).sum(axis=1)
    return Distribution(
        name=locale,
        low=low,
        high=low + width * len(padded),
        counts=tuple(int(n) for n in padded),
        mean=float((counts * np.arange(len(counts))).sum() / counts.sum()),
        median=float(_middle(counts)),
        least=least,
        most=most,
    )


def _score(name: str, span: tuple[float, float], counts: _Counts, total: float) -> Distribution:
    low, high = span
    step = (high - low) / BINS
    return Distribution(
        name=name,
        low=low,
        high=high,
        counts=tuple(int(n) for n in counts),
        mean=total / int(counts.sum()),
        median=low + (_middle(counts) + 0.5) * step,
        least=low,
        most=high,
    )


def _middle(counts: _Counts) -> int:
    """The bin that holds the lower median."""
    return int(np.searchsorted(np.cumsum(counts), (int(counts.sum()) + 1) // 2))


def by_first(groups: Mapping[tuple[str, ...], int]) -> dict[str, dict[str, int]]:
    """Counts of (a, b) as a -> b -> rows."""
    nested: dict[str, dict[str, int]] = {}
    for (first, second), rows in groups.items():
        nested.setdefault(first, {})[second] = nested.get(first, {}).get(second, 0) + rows
    return nested
