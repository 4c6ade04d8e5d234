"""What the desk may ask an outside exchange. The batch id is the client order id there.

An exchange must refuse a request after its expiry, or refuse a repeated client order id for ever; one with neither has
no connector here, since a desk that froze and woke up could buy twice.
"""

from typing import NamedTuple, Protocol


class Request(NamedTuple):
    """A batch as the exchange is asked for it. `price` is what customers paid at least, for the exchange to know."""

    batch_id: str
    base: str
    quote: str
    base_scale: int
    quote_scale: int
    base_atoms: int
    price: str
    expires_ms: int


class Bought(NamedTuple):
    """It bought this much, perhaps less than it was asked for, and nothing more will come of it."""

    exchange_order_id: str
    base_atoms: int
    charged_asset: str
    charged_atoms: int


class Refused(NamedTuple):
    """It bought nothing for this batch, and never will."""

    reason: str


Verdict = Bought | Refused


class Unknown(Exception):  # noqa: N818  -- a state of the world, not a fault
    """No word came from the exchange that decides anything; whether it bought is not known."""


class Connector(Protocol):
    """One exchange. Both questions raise Unknown unless the exchange itself gave an answer that decides."""

    @property
    def name(self) -> str: ...

    def round_up(self, request: Request) -> Request:
        """The same request with a quantity that this exchange takes: its minimum and its step."""
        ...

    async def buy_from_exchange(self, request: Request) -> Verdict: ...

    async def ask(self, request: Request) -> Verdict | None:
        """What became of it; None when the exchange has never heard of it."""
        ...

    async def close(self) -> None: ...
