"""What the workers of a run have brought so far, as it lies in the lake."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from aigc_core.errors import AigcError
from aigc_core.generation.shards import PART, journal_of, part_step
from aigc_core.records import Shard
from aigc_core.storage.files import read_json
from aigc_core.storage.journal import FLIGHT, Journal
from aigc_core.storage.progress import RunFolder

_MADE = ["tokens", "discarded_tokens"]


class Tally:
    """Rows and tokens of an attempt; no file is read twice."""

    def __init__(self, shards: Sequence[Shard], folder: RunFolder) -> None:
        self.total = sum(shard.rows for shard in shards)
        self.rows = 0
        self.tokens = 0
        self._folder = folder
        self._open = list(shards)
        self._journaled: dict[Path, tuple[int, int]] = {}
        self._parts = (0, 0)

    @property
    def unwritten(self) -> int:
        """Shards whose part was not noted when they were counted last."""
        return len(self._open)

    def look(self) -> bool:
        """Count again; whether anything came."""
        before = (self.rows, self.unwritten)
        # Listed, not asked for one by one: a network file system then looks afresh, and once.
        there = set(_names(self._folder.file("parts")))
        _names(self._folder.file("verdicts"))
        for shard in list(self._open):
            self._count(shard, there)
        rows, tokens = (sum(column) for column in zip(self._parts, *self._journaled.values(), strict=True))
        self.rows, self.tokens = min(rows, self.total), tokens
        return (self.rows, self.unwritten) != before

    def _count(self, shard: Shard, there: set[str]) -> None:
        journal, note = journal_of(shard, self._folder), self._folder.file(f"{part_step(shard)}.json")
        if note.name in there:
            told = read_json(note)
            tokens = _made(told["record"]) if isinstance(told, dict) else 0
            self._parts = (self._parts[0] + shard.rows, self._parts[1] + tokens)
            self._open.remove(shard)
            self._journaled = {path: rows for path, rows in self._journaled.items() if path.parent != journal.folder}
        elif journal.folder.name in there:
            for path in journal.files():
                if path not in self._journaled and (rows := journal.table(path)) is not None:
                    self._journaled[path] = (rows.num_rows, sum(map(_made, rows.select(_MADE).to_pylist())))


def _made(told: Mapping[str, int]) -> int:
    """Tokens of a part's record or of a row, discarded ones included; earlier records do not say these."""
    return sum(told.get(name, 0) for name in _MADE)


def gains_of(folder: RunFolder) -> object:
    """What stands of a run's parts: another answer means that something was finished or narrowed down since."""
    parts = folder.file("parts")
    names = _names(parts)
    journals = [Journal(parts / name, PART) for name in names if name.endswith(".rows")]
    return names, [_names(journal.folder) for journal in journals], [_narrowed(journal) for journal in journals]


def _narrowed(journal: Journal) -> object:
    with suppress(AigcError, OSError):
        told = journal.marked()
        if isinstance(told, dict):
            return [[len(group) for group in told["groups"]], told.get("stalls", 0)]
    return None


def _names(folder: Path) -> list[str]:
    """What is in a folder, sorted, leaving out what is being written; nothing where there is none."""
    with suppress(OSError):
        names = (path.name for path in folder.iterdir())
        return sorted(name for name in names if not name.startswith(".") and name != FLIGHT)
    return []
