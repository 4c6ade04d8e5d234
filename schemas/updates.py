"""What a writer of the books says over Redis after a commit: whose wallets and orders are other ones now.

It names them and nothing more; what they are is read from the books. A source counts its messages, and says its last
number again when it has nothing to say, so that a listener knows when he has missed one.
"""

from collections.abc import Sequence

import msgspec

UPDATES = "updates"
"""The channel."""
BEAT_S = 1
"""So often a source speaks at least."""


class Touched(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A user, and those of his orders that have changed; his wallet may have, too."""

    user_id: int
    order_ids: Sequence[int] = ()


class Update(msgspec.Struct, frozen=True):
    """`number` rises by one with each message that touches somebody."""

    source: str
    number: int
    touched: Sequence[Touched] = ()


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Update)


def encode_update(update: Update) -> bytes:
    return _encoder.encode(update)


def decode_update(message: bytes) -> Update:
    """Raises `msgspec.DecodeError` for anything else."""
    return _decoder.decode(message)
