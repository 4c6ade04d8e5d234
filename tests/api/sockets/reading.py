"""Frames of the server as a client reads them, for the tests of the sockets."""

import json
from collections.abc import Iterable
from typing import Any


def read(frame: bytes) -> Any:
    """The JSON of one whole frame."""
    start = {126: 4, 127: 10}.get(frame[1], 2)
    return json.loads(frame[start:])


def told(frames: Iterable[bytes]) -> list[tuple[str, Any]]:
    """Kind and data of frames of a channel."""
    return [(one.get("type", one.get("op")), one.get("data", one)) for one in map(read, frames)]
