"""Accepted texts that another item has: found over the whole run between attempts, so that shards never matter."""

from collections.abc import Iterator, Sequence

from aigc_core.checks.duplicates import ItemText, exact_duplicates, shelf_texts
from aigc_core.records import Part, Verdicts
from aigc_core.storage.delta import Table
from aigc_core.storage.files import read_table
from aigc_core.storage.progress import RunFolder


def repeated_requests(
    parts: Sequence[Part], verdicts: Sequence[Verdicts], shelf: Table, folder: RunFolder
) -> frozenset[str]:
    """Keys of the requests whose newest accepted text stands on the shelf or in this run for another item.

    Of equal texts the lowest item id keeps it; variants may share. Memory: a digest and an id an accepted text.
    """
    newest: dict[tuple[str, str], tuple[str, ItemText]] = {}
    for part, verdict in _in_order(parts, verdicts):
        for key, text in _accepted(part, verdict, folder):
            newest[text.item_id, text.locale] = key, text
    columns = ["signature", "item_id", "variant_group"]
    published = shelf_texts(shelf.dataset().to_batches(columns=columns) if shelf.exists() else ())
    found = exact_duplicates((text for _, text in newest.values()), published=published)
    return frozenset(newest[place][0] for place in found)


def _in_order(parts: Sequence[Part], verdicts: Sequence[Verdicts]) -> Iterator[tuple[Part, Verdicts]]:
    judged = {(verdict.attempt, verdict.number): verdict for verdict in verdicts}
    for part in sorted(parts, key=lambda part: (part.attempt, part.number)):
        yield part, judged[part.attempt, part.number]


def _accepted(part: Part, verdict: Verdicts, folder: RunFolder) -> Iterator[tuple[str, ItemText]]:
    shard = read_table(folder.file("shards", f"a{part.attempt}-{part.number:05d}.parquet"), ["variant_group"])
    texts = read_table(part.path, ["request_key", "item_id", "locale", "text"])
    together = texts.append_column("variant_group", shard["variant_group"])
    for row in together.filter(read_table(verdict.path, ["accepted"])["accepted"]).to_pylist():
        key = str(row.pop("request_key"))
        yield key, ItemText(**row)
