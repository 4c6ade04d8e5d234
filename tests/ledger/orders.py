"""What the tests of orders share: a market, buyers with money, and a limit buy, in whichever books."""

import dataclasses

from ledger.accounts import NewUser
from ledger.hold_rules import NewOrder
from ledger.listings import NewMarket
from ledger.transfer_rules import TransferRequest
from ledger.transfers import Transferred
from schemas.money import market_units
from tests.ledger.stores import Store

MARKET = "BTC-USD"


async def open_market(store: Store) -> None:
    """BTC-USD, whose opening is command 1 with number 1. A lot is one atom, and costs one at a price of one tick."""
    assert await store.add_currency("BTC", "Bitcoin", 8)
    units = market_units("1", "0.00000001", 8, 8)
    assert await store.add_market(NewMarket(base="BTC", quote="USD", units=units), partitions=4) is not None


async def rich_user(store: Store, username: str, usd_atoms: int, btc_atoms: int = 0) -> int:
    user_id = await store.create_user(NewUser(username=username))
    assert user_id is not None
    for asset, atoms in (("USD", usd_atoms), ("BTC", btc_atoms)):
        if atoms:
            request = TransferRequest(
                kind="deposit", user_id=user_id, asset=asset, amount_atoms=atoms, requested_by=user_id
            )
            assert isinstance(await store.transfer(request), Transferred)
    return user_id


def buy(user_id: int, key: str, atoms: int = 100, **changes: object) -> NewOrder:
    """An order that needs so many atoms: its lots at one tick, or fewer lots at more."""
    new = NewOrder(
        user_id=user_id, market=MARKET, kind="limit", side="buy", time_in_force="gtc", self_trade="expire_taker",
        lots=atoms, price_ticks=1, hold_asset="USD", hold_atoms=atoms, key=key, digest=f"body of {key}",
    )  # fmt: skip
    return dataclasses.replace(new, **changes)  # type: ignore[arg-type]
