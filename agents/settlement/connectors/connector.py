"""What the desk may ask an outside exchange. The batch id is the client order id there.

An exchange must refuse a request after its expiry, or refuse a repeated client order id for ever; one with neither has
no connector here, since a desk that froze and woke up could buy twice.
"""

from typing import NamedTuple, Protocol


class Request(NamedTuple):
    """A batch as the exchange is asked for it. `price` is what customers paid on average. It was meant to be sent at
    `intended_ms`, and must not be executed after `expires_ms`."""

    batch_id: str
    base: str
    quote: str
    base_scale: int
    quote_scale: int
    base_atoms: int
    price: str
    intended_ms: int = 0
    expires_ms: int = 0


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
    """One exchange. Every question raises Unknown unless the exchange itself gave an answer that decides."""

    @property
    def name(self) -> str: ...

    async def clock_ms(self) -> int:
        """The exchange's clock, by which it judges the expiry."""
        ...

    async def buy_from_exchange(self, request: Request) -> Verdict:
        """Asks for at least this much: what is below its minimum or between its steps is rounded up."""
        ...

    async def ask(self, request: Request) -> Verdict | None:
        """What became of it; None when the exchange has never heard of it."""
        ...

    async def close(self) -> None: ...
