import pytest

from ledger.commands import JournalRecord, command_of, placing
from ledger.hold_rules import Placed
from schemas.commands import (
    BuyFromHouse,
    CancelAll,
    CancelOrder,
    ChangeMarket,
    Hold,
    ListPrice,
    OpenMarket,
    PlaceOrder,
    ReduceOrder,
)
from tests.ledger.orders import MARKET, buy, open_market, rich_user

ROW = {"id": 9, "market": "BTC-USD", "number": 4, "user_id": 7, "order_id": 3, "arguments": "{}"}
ORDER = {
    "order_kind": "limit", "side": "buy", "lots": 10, "quote_atoms": None, "price_ticks": 500, "time_in_force": "gtc",
    "post_only": True, "self_trade": "expire_maker", "hold_asset": "USD", "hold_atoms": 5000, "placed_by": 2,
    "client_order_id": "mine", "body_digest": "d",
}  # fmt: skip
PLACE = {"market": "BTC-USD", "command_id": 9, "number": 4}


@pytest.mark.parametrize(
    ("row", "command"),
    [
        (
            {"kind": "place_order", **ORDER},
            PlaceOrder(
                **PLACE, order_id=3, user_id=7, side="buy", kind="limit", lots=10, price_ticks=500, post_only=True,
                self_trade="expire_maker", hold=Hold("USD", 5000), placed_by=2, client_order_id="mine", body_digest="d",
            ),
        ),
        (
            {"kind": "buy_from_house", **ORDER, "order_kind": "purchase", "time_in_force": None, "self_trade": None},
            BuyFromHouse(
                **PLACE, order_id=3, user_id=7, lots=10, price_ticks=500, hold=Hold("USD", 5000), placed_by=2,
                client_order_id="mine", body_digest="d",
            ),
        ),
        ({"kind": "cancel_order"}, CancelOrder(**PLACE, order_id=3, user_id=7)),
        ({"kind": "cancel_all", "order_id": None}, CancelAll(**PLACE, user_id=7)),
        ({"kind": "reduce_order", "arguments": '{"lots": 5}'}, ReduceOrder(**PLACE, order_id=3, user_id=7, lots=5)),
        (
            {"kind": "change_market", "arguments": '{"status": "halted"}'},
            ChangeMarket(**PLACE, user_id=7, status="halted"),
        ),
        ({"kind": "list_price", "arguments": '{"price_ticks": 5}'}, ListPrice(**PLACE, user_id=7, price_ticks=5)),
    ],
)  # fmt: skip
def test_a_row_stands_for_one_command(row, command):
    assert command_of(ROW | row) == command


async def test_rows_become_records_in_the_order_of_their_numbers(store):
    await open_market(store)
    priced = await store.add_command(MARKET, "list_price", {"price_ticks": 42}, user_id=7)
    assert await store.journal_records([priced.command_id, 1]) == [
        JournalRecord(
            0,
            OpenMarket(
                market=MARKET, command_id=1, number=1, base="BTC", quote="USD", base_scale=8, quote_scale=8,
                tick_size="1", lot_size="0.00000001",
            ),
        ),
        JournalRecord(0, ListPrice(market=MARKET, command_id=2, number=2, user_id=7, price_ticks=42)),
    ]  # fmt: skip


async def test_there_is_no_command_without_a_market(store):
    with pytest.raises(LookupError, match="no market NONE-USD"):
        await store.add_command("NONE-USD", "list_price", {"price_ticks": 1})


@pytest.mark.parametrize(("kind", "version"), [("change_rules", 2), ("change_rules", 0), ("open_market", 99)])
async def test_rules_that_this_release_lacks_do_not_get_as_far_as_a_row(store, kind, version):
    await open_market(store)
    with pytest.raises(LookupError, match=f"no rules version {version}"):
        await store.add_command(MARKET, kind, {"rules_version": version})
    assert len(await store.rows("commands")) == 1


async def test_the_record_of_an_order_just_placed_is_the_one_that_its_row_stands_for(store):
    await open_market(store)
    user_id = await rich_user(store, "ada", 10_000, 10_000)
    orders = [
        buy(user_id, "limit", post_only=True, self_trade="expire_both"),
        buy(user_id, "fok", time_in_force="fok", lots=7, hold_atoms=7),
        buy(user_id, "market", kind="market", lots=None, quote_atoms=100),
        buy(user_id, "sell", side="sell", hold_asset="BTC"),
        buy(user_id, "purchase", kind="purchase", time_in_force=None, self_trade=None),
        buy(user_id, "for-a-customer", placed_by=user_id + 1),
    ]
    for order, placed in zip(orders, await store.place(orders, 10_000), strict=True):
        assert isinstance(placed, Placed)
        (record,) = await store.journal_records([placed.command_id])
        assert placing(order, placed, record.partition) == record
