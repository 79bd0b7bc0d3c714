"""Under which terms a text may train a model: SPDX ids and expressions, addresses of licences, own names."""

import re
from collections.abc import Collection

_CREATIVE_COMMONS = re.compile(
    r"(?:https?://)?(?:www\.)?creativecommons\.org/(?:licenses/(?P<terms>[a-z-]+)|(?P<zero>publicdomain/zero))"
    r"/(?P<version>\d\.\d)\S*",
    re.IGNORECASE,
)
_OWN_ADDRESSES = {
    "opensource.org/licenses/mit": "MIT",
    "apache.org/licenses/license-2.0": "Apache-2.0",
    "opensource.org/licenses/bsd-3-clause": "BSD-3-Clause",
}
NONE_DECLARED = "licence: none declared"
NOT_ALLOWED = "licence: not among the allowed"


def licence_id(text: str) -> str:
    """The SPDX id behind an address or a common spelling; any other text as it is, without spaces around it."""
    text = text.strip()
    known = _CREATIVE_COMMONS.fullmatch(text)
    if known:
        return f"CC0-{known['version']}" if known["zero"] else f"CC-{known['terms'].upper()}-{known['version']}"
    bare = re.sub(r"^https?://(?:www\.)?", "", text.lower()).rstrip("/").removesuffix(".html").removesuffix(".txt")
    if bare in _OWN_ADDRESSES:
        return _OWN_ADDRESSES[bare]
    spelt = re.fullmatch(r"(?i)cc[ -](by(?:-(?:sa|nc|nd))*)[ -](\d\.\d)", text)
    return f"CC-{spelt[1].upper()}-{spelt[2]}" if spelt else text


def is_allowed(licence: str, allowed: Collection[str]) -> bool:
    """Whether the terms are among the allowed: of `A OR B` one, of `A AND B` both; case does not count."""
    known = {licence_id(one).casefold() for one in allowed}
    if licence_id(licence).casefold() in known:
        return True
    expression = licence.replace("(", " ").replace(")", " ") if licence.count("(") <= 1 else licence
    either = re.split(r"(?i)\sor\s", expression)
    return any(
        all(licence_id(part).casefold() in known for part in re.split(r"(?i)\sand\s", choice)) for choice in either
    )


def held_against(licence: str | None, allowed: Collection[str]) -> str:
    """Why a row under this licence may not train; empty when it may."""
    if licence is None or not licence.strip():
        return NONE_DECLARED
    return "" if is_allowed(licence, allowed) else NOT_ALLOWED
