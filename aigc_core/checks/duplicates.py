"""D-1: two items must not carry the same words."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

CHECK_ID = "D-1"
SIGNATURE_BYTES = 16
NOT_A_WORD = re.compile(r"[\W_]+")
IN_RUN = "same text as another item of this run"
PUBLISHED = "same text as a published item"


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemText:
    """One text that is about to be published."""

    item_id: str
    locale: str
    text: str
    variant_group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedText:
    """What is known of a text that is already public."""

    signature: bytes
    """As `signature` makes it."""
    item_id: str
    variant_group: str | None = None


Owner = tuple[str, str, str | None]


def shelf_texts(batches: Iterable[pa.RecordBatch]) -> Iterator[PublishedText]:
    """Published rows (columns signature in hex, item_id, variant_group) as `PublishedText`."""
    for batch in batches:
        for row in batch.to_pylist():
            yield PublishedText(**row | {"signature": bytes.fromhex(row["signature"])})


def signature(text: str, *, locale: str) -> bytes:
    """16 bytes of the SHA-256 of the locale and the text without case, spaces, punctuation and width."""
    plain = NOT_A_WORD.sub("", unicodedata.normalize("NFKC", text).lower())
    return hashlib.sha256(f"{locale}\x1f{plain}".encode("utf-8", "surrogatepass")).digest()[:SIGNATURE_BYTES]


def exact_duplicates(
    texts: Iterable[ItemText], *, published: Iterable[PublishedText] = ()
) -> Mapping[tuple[str, str], str]:
    """(item_id, locale) -> reason for every text that must not go out because another item has it.

    Of equal texts in one locale the lowest item id keeps it, and with it the items of its variant group; a
    text that is already public stays with the item that published it. The answer does not depend on the order
    of either iterable. Memory: one digest and one id a text; the texts are read once and let go.
    """
    owners: dict[bytes, list[Owner]] = {}
    for text in texts:
        owner = (text.item_id, text.locale, text.variant_group)
        owners.setdefault(signature(text.text, locale=text.locale), []).append(owner)
    found: dict[tuple[str, str], str] = {}
    for known in published:
        for item_id, locale, group in owners.get(known.signature, ()):
            if not _may_share((item_id, group), (known.item_id, known.variant_group)):
                found[item_id, locale] = PUBLISHED
    for same in owners.values():
        found.update((key, IN_RUN) for key in _later(same, found))
    return found


def _later(same: list[Owner], found: Mapping[tuple[str, str], str]) -> Iterator[tuple[str, str]]:
    left = [owner for owner in same if owner[:2] not in found]
    if len(left) < 2:
        return
    first, _, first_group = min(left, key=lambda owner: owner[0])
    for item_id, locale, group in left:
        if not _may_share((item_id, group), (first, first_group)):
            yield item_id, locale


def _may_share(one: tuple[str, str | None], other: tuple[str, str | None]) -> bool:
    return one[0] == other[0] or (one[1] is not None and one[1] == other[1])
