"""The words of the socket: what a client may say, and what it is told. Data is passed on as bytes, never encoded again.

A frame of the server is not masked, so the same bytes, head included, are good for everybody.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from schemas.errors import Refusal

MAX_FRAME_BYTES = 16 * 1024
"""The longest word of a client."""
TEXT = 0x81
Id = str | int | None


class Auth(msgspec.Struct, frozen=True, tag_field="op", tag="auth", forbid_unknown_fields=True):
    """Who this is: by an access token, or one day by an API key's signature."""

    token: str | None = None
    key: str | None = None
    timestamp: int | None = None
    signature: str | None = None
    id: Id = None


class Subscribe(msgspec.Struct, frozen=True, tag_field="op", tag="subscribe", forbid_unknown_fields=True):
    """`since_seq` says per channel how far the client is, so that it gets what it missed instead of a snapshot."""

    channels: list[str]
    since_seq: dict[str, int] = {}
    id: Id = None


class Unsubscribe(msgspec.Struct, frozen=True, tag_field="op", tag="unsubscribe", forbid_unknown_fields=True):
    channels: list[str]
    id: Id = None


class Ping(msgspec.Struct, frozen=True, tag_field="op", tag="ping", forbid_unknown_fields=True):
    id: Id = None


class _Named(msgspec.Struct, frozen=True):
    id: Id = None


Asked = Auth | Subscribe | Unsubscribe | Ping
_named = msgspec.json.Decoder(_Named)
_decoder: msgspec.json.Decoder[Asked] = msgspec.json.Decoder(Asked)


def decode(text: str) -> Asked:
    """Raises `msgspec.DecodeError` for what is no JSON, and its child `ValidationError` for another object."""
    return _decoder.decode(text)


def id_of(text: str) -> Id:
    """The id of a frame that may be wrong in everything else."""
    try:
        return _named.decode(text).id
    except msgspec.DecodeError:
        return None


def framed(payload: bytes) -> bytes:
    """A whole frame as it goes over the wire."""
    length = len(payload)
    if length < 126:
        return bytes((TEXT, length)) + payload
    if length < 1 << 16:
        return bytes((TEXT, 126)) + length.to_bytes(2) + payload
    return bytes((TEXT, 127)) + length.to_bytes(8) + payload


def told(fields: Mapping[str, Any]) -> bytes:
    """An answer."""
    return framed(msgspec.json.encode(fields))


def data(channel: str, kind: str, value: bytes) -> bytes:
    """What a channel tells: `value` is JSON already, whoever wrote it."""
    return framed(b'{"channel":"%b","type":"%b","data":%b}' % (channel.encode(), kind.encode(), value))


def subscribed(channels: Sequence[str], asked_id: Id) -> bytes:
    return told({"op": "subscribed", "channels": channels, "id": asked_id})


def unsubscribed(channels: Sequence[str], asked_id: Id) -> bytes:
    return told({"op": "unsubscribed", "channels": channels, "id": asked_id})


def authenticated(asked_id: Id) -> bytes:
    return told({"op": "authenticated", "id": asked_id})


def error(refusal: Refusal, asked_id: Id, channels: Sequence[str] | None = None) -> bytes:
    """A refusal; `channels` are those that it concerns."""
    fields: dict[str, Any] = {
        "op": "error", "code": refusal.code.name, "message": refusal.message, "id": asked_id,
    }  # fmt: skip
    return told(fields if channels is None else fields | {"channels": channels})


PONG = told({"op": "pong"})
BYE = told({"op": "bye"})


def pong(asked_id: Id) -> bytes:
    return PONG if asked_id is None else told({"op": "pong", "id": asked_id})
