"""The client's own name for what he asks, and the fingerprint of the body that it goes with.

A key belongs to one body for ever. The fingerprint is of what was sent, not of what we made of it: a default that we
change later must not turn a retry into a conflict.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import pydantic_core
from aiohttp import web

from api.call import Call
from ledger.keys import Key
from schemas.errors import IDEMPOTENCY_CONFLICT, INVALID_FIELD, Refusal

HEADER = "Idempotency-Key"
FORM = re.compile(r"[A-Za-z0-9._:/-]{1,64}")


def key(request: web.Request) -> str | None:
    """The key of the header, if one was sent."""
    value = request.headers.get(HEADER)
    if value is not None and not FORM.fullmatch(value):
        raise Refusal(INVALID_FIELD, f"{HEADER} must be 1 to 64 characters of A-Z, a-z, 0-9 and . _ : / -.", HEADER)
    return value


def digest(kind: str, sent: Mapping[str, Any]) -> str:
    """The same for the same fields and values, in whatever order and spacing; numbers count as they were written."""
    text = pydantic_core.to_json(_sorted(sent))
    return hashlib.sha256(kind.encode() + b"\n" + text).hexdigest()


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [_sorted(inner) for inner in value]
    return value


def claim(call: Call, kind: str) -> Key | None:
    """The key of the header with the digest of this call's body, if one was sent."""
    name = key(call.request)
    return None if name is None else Key(call.user.id, name, digest(kind, call.sent))


def conflict(name: str) -> Refusal:
    """`name` is the field or header that carried the key."""
    return Refusal(IDEMPOTENCY_CONFLICT, f"{name} was used before for something else; take a new one.", name)
