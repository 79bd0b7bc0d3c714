"""D-1: two items must not carry the same words."""

import hashlib
import re
import shutil
import unicodedata
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path

import pyarrow as pa

from aigc_core.storage.indexes import spilling_database

CHECK_ID = "D-1"
SIGNATURE_BYTES = 16
NOT_A_WORD = re.compile(r"[\W_]+")
IN_RUN = "same text as another item of this run"
PUBLISHED = "same text as a published item"
OWNED = pa.schema(
    [
        pa.field("request_key", pa.string(), nullable=False),
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("variant_group", pa.string()),
        pa.field("signature", pa.string(), nullable=False),
        pa.field("attempt", pa.int32(), nullable=False),
    ]
)
"""What is known of a text that wants to go out; of several of one request the latest attempt counts."""
SHELVED = pa.schema(
    [
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("variant_group", pa.string()),
        pa.field("signature", pa.string(), nullable=False),
    ]
)
"""What is known of a text that is already public."""
_NEWEST = """
CREATE TABLE newest AS SELECT * EXCLUDE (attempt) FROM texts
QUALIFY row_number() OVER (PARTITION BY request_key ORDER BY attempt DESC) = 1
"""
_NOT_SHARED = """
one.item_id <> other.item_id
AND (one.variant_group IS NULL OR other.variant_group IS NULL OR one.variant_group <> other.variant_group)
"""
_TAKEN = f"""
CREATE TABLE taken AS SELECT DISTINCT one.request_key
FROM newest AS one JOIN published AS other ON one.signature = other.signature WHERE {_NOT_SHARED}
"""  # noqa: S608 -- our own words
_REPEATED = f"""
WITH still_in AS (SELECT * FROM newest ANTI JOIN taken USING (request_key)),
first AS (
    SELECT signature, item_id, variant_group FROM still_in
    QUALIFY row_number() OVER (PARTITION BY signature ORDER BY item_id) = 1
)
SELECT one.request_key FROM still_in AS one JOIN first AS other ON one.signature = other.signature WHERE {_NOT_SHARED}
"""  # noqa: S608 -- our own words


def signature(text: str, *, locale: str) -> bytes:
    """16 bytes of the SHA-256 of the locale and the text without case, spaces, punctuation and width."""
    plain = NOT_A_WORD.sub("", unicodedata.normalize("NFKC", text).lower())
    return hashlib.sha256(f"{locale}\x1f{plain}".encode("utf-8", "surrogatepass")).digest()[:SIGNATURE_BYTES]


def exact_duplicates(
    texts: Iterable[pa.RecordBatch], *, published: Iterable[pa.RecordBatch] = (), scratch: Path
) -> Mapping[str, str]:
    """Request key -> reason for every text that must not go out because another item has it.

    Of equal texts in one locale the lowest item id keeps it, and with it the items of its variant group; a text that
    is already public stays with the item that published it. The answer does not depend on the order of either
    iterable. Memory: what is found; the rest is compared on disk.

    Args:
        texts: columns of `OWNED`, others are let go.
        published: columns of `SHELVED`, likewise.
        scratch: a folder for files, removed at the end.
    """
    try:
        with spilling_database(scratch) as connection:
            connection.register("texts", _reader(texts, OWNED))
            connection.execute(_NEWEST)
            connection.register("published", _reader(published, SHELVED))
            connection.execute(_TAKEN)
            taken = connection.sql("SELECT request_key FROM taken").fetchall()
            repeated = connection.sql(_REPEATED).fetchall()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return {key: PUBLISHED for (key,) in taken} | {key: IN_RUN for (key,) in repeated}


def _reader(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatchReader:
    plain = (pa.Table.from_batches([batch]).select(schema.names).cast(schema).to_batches() for batch in batches)
    return pa.RecordBatchReader.from_batches(schema, chain.from_iterable(plain))
