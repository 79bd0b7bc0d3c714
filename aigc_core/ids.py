"""Deterministic identities: the same input gives the same id on every run, host and order."""

import hashlib
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]

# RFC 9562 section 5.5 wants a fixed namespace for name-based ids; this one is ours and must never change.
NAMESPACE = uuid.UUID("7c0d1f7e-5b0c-5e0e-9a43-2f1d8a6b9c01")
SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def canonical_json(value: object) -> str:
    """The one spelling of a JSON value: sorted keys, no spaces, UTF-8 kept, NaN refused."""
    return _ENCODER.encode(value)


def fingerprint(value: object, *, length: int = 32) -> str:
    """SHA-256 of the canonical JSON, as `length` lowercase hex digits (at most 64)."""
    return hashlib.sha256(canonical_json(value).encode("utf-8", "surrogatepass")).hexdigest()[:length]


def text_sha256(text: str) -> str:
    """SHA-256 of a text's UTF-8 bytes, as 64 lowercase hex digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def content_number(*parts: str) -> str:
    """A UUIDv5 over the parts: the content number of a row or file."""
    return str(uuid.uuid5(NAMESPACE, "\x1f".join(parts)))


def stable_unit(text: str) -> float:
    """A number in [0, 1) that depends on the text alone; used to split groups once and for all."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:7]) / 2**56


def seed_of(request_key: str, attempt: int) -> int:
    """The seed of one attempt at one request, in [0, 2**63)."""
    return int.from_bytes(hashlib.sha256(f"{request_key}\x1f{attempt}".encode()).digest()[:8]) >> 1


def is_safe_id(text: str) -> bool:
    """Whether the text may stand in a file name or address: letters, digits, `.`, `_`, `-`; at most 64."""
    return SAFE_ID.fullmatch(text) is not None and ".." not in text


def _plain(value: object) -> object:
    """What JSON does not know: records become objects."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")


_ENCODER = json.JSONEncoder(
    default=_plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, check_circular=False
)
