"""What the wallet agent announces over Redis when a command is decided: the word that an API instance waits for.

It may be lost and may come twice; the books say the same at any time.
"""

import msgspec


class Result(msgspec.Struct, frozen=True, gc=False):
    """One decided command. `order_id` is the order that it placed or changed."""

    command_id: int
    outcome: str
    order_id: int | None = None


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[list[Result]] = msgspec.json.Decoder(list[Result])


def results_channel(reply: str) -> str:
    """The channel of the API instance that a command names in `reply`."""
    return f"results:{reply}"


def encode_results(results: list[Result]) -> bytes:
    """One message tells all that one transaction decided for one instance."""
    return _encoder.encode(results)


def decode_results(message: bytes) -> list[Result]:
    """Raises `msgspec.DecodeError` for anything else."""
    return _decoder.decode(message)
