"""The hash chain over a sequence of records: each names the one before it, so two histories cannot be mistaken.

The chain fields are the last two of the JSON object. The canonical bytes are the value without them: everything up to
`,"prev_chain"`, closed by `}`. `chain` is the first 32 hex digits of SHA-256 over prev_chain and the canonical bytes.
"""

import hashlib
import re
from typing import NamedTuple

from runtime.journal.errors import Broken

ORIGIN = "0" * 32
_TAIL = re.compile(rb',"prev_chain":"([0-9a-f]{32})","chain":"([0-9a-f]{32})"\}')
_TAIL_BYTES = len(b',"prev_chain":"","chain":""}') + 2 * len(ORIGIN)


class Sealed(NamedTuple):
    """A record taken apart."""

    body: bytes
    prev_chain: str
    chain: str


def link(prev_chain: str, body: bytes) -> str:
    """The chain after a record with these canonical bytes."""
    return hashlib.sha256(prev_chain.encode() + body).hexdigest()[:32]


def seal(body: bytes, prev_chain: str) -> tuple[bytes, str]:
    """The record's value with its chain fields, and the chain that the next record continues."""
    before = prev_chain.encode()
    chain = hashlib.sha256(before + body).hexdigest()[:32]
    return b'%b,"prev_chain":"%b","chain":"%b"}' % (body[:-1], before, chain.encode()), chain


def unseal(value: bytes) -> Sealed:
    """The parts of a value whose chain holds; anything else is Broken."""
    tail = _TAIL.fullmatch(value, max(0, len(value) - _TAIL_BYTES))
    if tail is None:
        raise Broken("the record has no chain fields at its end")
    body = value[:-_TAIL_BYTES] + b"}"
    sealed = Sealed(body, tail[1].decode(), tail[2].decode())
    if link(sealed.prev_chain, body) != sealed.chain:
        raise Broken(f"the record's bytes do not give its chain {sealed.chain}")
    return sealed
