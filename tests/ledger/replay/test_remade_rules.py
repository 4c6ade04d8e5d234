from typing import Any

from ledger.replay.remade_rules import REMEMBERED, Remade, Repeats
from ledger.replay.row_rules import COLUMNS, Asked
from ledger.settlement import Wallet
from schemas.batches import BatchRecord, Closed, Filled, Joined, Line
from schemas.commands import BuyFromHouse, CancelOrder, Hold, Numbered, OpenMarket, PlaceOrder
from schemas.entries import AccountOpened, AdminMade, CurrencyAdded, Deposited, Withdrawn
from schemas.executions import (
    Canceled,
    ChainedExecution,
    Event,
    HouseFilled,
    Ignored,
    MarketOpened,
    Reject,
    Rejected,
    Rested,
    Ticked,
    Traded,
)

MARKET, T = "BTC-USD", 1_700_000_000_000
TERMS: dict[str, Any] = {
    "market": MARKET, "base": "BTC", "quote": "USD", "base_scale": 8, "quote_scale": 8, "tick_size": "0.01",
    "lot_size": "0.0001",
}  # fmt: skip
OPENED = MarketOpened(
    **TERMS, lot_base_atoms=10_000, tick_lot_quote_atoms=100, status="open", maker_fee_bps=0, taker_fee_bps=0,
    band_bps=0, min_notional_atoms=0, rules_version=1,
)  # fmt: skip


class History:
    """Commands and what became of them, one after another."""

    def __init__(self) -> None:
        self.remade = Remade(transfer_id=1)
        self.offset = 0
        self.say(OpenMarket(command_id=1, number=1, **TERMS), OPENED)

    def ask(self, command: Numbered) -> None:
        self.offset += 1
        self.remade.command(Asked(command, 0, self.offset, T + self.offset))

    def say(self, command: Numbered, *events: Event, last: bool = True) -> None:
        self.ask(command)
        self.become(command, *events, last=last)

    def become(self, command: Numbered, *events: Event, last: bool = True) -> None:
        execution = ChainedExecution(
            MARKET, self.offset, 0, self.offset, T + self.offset, 1, last, "", command.command_id, "", events, "", ""
        )
        self.remade.execute([execution])

    def rows(self, table: str) -> list[dict[str, Any]]:
        """What is drained of a table by now."""
        return [dict(zip(COLUMNS[table], row, strict=True)) for row in self.remade.rows[table]]


def place(number: int, side: str, user: int, **more: Any) -> PlaceOrder:
    hold = Hold("USD", 5 * 100 * 100) if side == "buy" else Hold("BTC", 5 * 10_000)
    return PlaceOrder(
        market=MARKET, command_id=number, number=number, order_id=number, user_id=user, side=side, kind="limit", lots=5,  # type: ignore[arg-type]  # a side
        price_ticks=100, hold=hold, client_order_id=f"k{number}", body_digest="d", **more,
    )  # fmt: skip


def traded(maker: PlaceOrder, taker: PlaceOrder) -> Traded:
    return Traded(
        1, 100, 5, 50_000, 50_000, "buy", maker.order_id, maker.user_id, 0, 0, taker.order_id, taker.user_id, 0, 0, 0
    )


def test_a_trade_finishes_both_orders_and_moves_the_money():
    history = History()
    sell, buy = place(2, "sell", user=7), place(3, "buy", user=8, placed_by=1)
    history.say(sell, Rested(2, 7, "sell", 100, 5))
    assert history.rows("orders") == []
    history.say(buy, traded(sell, buy))
    assert sorted((row["id"], row["state"], row["placed_by"], row["seq"]) for row in history.rows("orders")) == [
        (2, "filled", None, 3), (3, "filled", 1, 3),
    ]  # fmt: skip
    assert [(row["id"], row["outcome"]) for row in history.rows("commands")] == [
        (1, "market_opened"), (2, "open"), (3, "filled"),
    ]  # fmt: skip
    assert [(row[0], row[1]) for row in history.remade.rows["idempotency_keys"]] == [(7, "k2"), (1, "k3")]
    assert history.remade.wallets == {
        (7, "BTC"): Wallet(-50_000), (7, "USD"): Wallet(50_000),
        (8, "USD"): Wallet(-50_000), (8, "BTC"): Wallet(50_000),
    }  # fmt: skip
    assert (history.remade.trades, len(history.rows("postings")), history.remade.orders) == (1, 4, {})


def test_an_order_is_kept_until_its_last_part_decided_it():
    history = History()
    sell, buy = place(2, "sell", user=7), place(3, "buy", user=8)
    history.say(sell, Rested(2, 7, "sell", 100, 5))
    history.say(buy, traded(sell, buy), last=False)
    assert [row["id"] for row in history.rows("orders")] == [2]
    assert list(history.remade.orders) == [3]
    history.become(buy, Rejected(99, 8, 0, Reject.TOO_LATE), Ticked(T))
    assert [(row["id"], row["outcome"]) for row in history.rows("commands")][-1] == (3, "filled")
    assert [row["id"] for row in history.rows("orders")] == [2, 3]


def test_repeats_and_late_rejects_change_nothing():
    history = History()
    order = place(2, "sell", user=7)
    history.say(order, Rested(2, 7, "sell", 100, 5))
    cancel = CancelOrder(market=MARKET, command_id=3, number=3, order_id=2, user_id=7)
    history.say(cancel, Canceled(2, 7, "sell", 100, 5, 50_000))
    history.say(order, Ignored(2, 2))
    history.say(order, Rejected(2, 7, 50_000, Reject.TOO_LATE))
    assert [(row["id"], row["state"]) for row in history.rows("orders")] == [(2, "canceled")]
    assert history.remade.wallets[7, "BTC"] == Wallet()
    history.remade.drain()
    assert history.remade.rest() == {"commands": []}


def test_what_nobody_decided_is_pending_and_held():
    history = History()
    history.ask(place(2, "sell", user=7))
    history.ask(place(3, "buy", user=8))
    history.remade.drain()
    rest = history.remade.rest()
    states = [(row[0], dict(zip(COLUMNS["orders"], row, strict=True))["state"]) for row in rest["orders"]]
    assert states == [(2, "pending"), (3, "pending")]
    assert [dict(zip(COLUMNS["commands"], row, strict=True))["state"] for row in rest["commands"]] == ["pending"] * 2
    assert history.remade.wallets[7, "BTC"] == Wallet(-50_000, 50_000)


def test_a_command_of_a_market_that_never_was_is_nothing():
    remade = Remade(transfer_id=1)
    remade.command(Asked(place(2, "sell", user=7), 0, 0, T))
    impossible = OpenMarket(command_id=3, number=1, **TERMS | {"tick_size": "0.00000001", "lot_size": "0.0000001"})
    remade.command(Asked(impossible, 0, 1, T))
    assert (remade.orders, remade.pending, remade.markets) == ({}, {}, {})


def test_a_purchase_goes_its_way_to_the_wallet():
    history = History()
    buy = BuyFromHouse(
        market=MARKET, command_id=2, number=2, order_id=2, user_id=7, lots=5, price_ticks=100,
        hold=Hold("USD", 50_000), client_order_id="k", body_digest="d",
    )  # fmt: skip
    history.say(buy, HouseFilled(1, 2, 7, 100, 5, 50_000, 50_000, 0))
    line = Line(2, 7, 5, 50_000, 50_000)
    events = [Joined("BTC-USD-1", 1, 1, line), Closed("BTC-USD-1", 1, 5, 50_000, 0, 0, T, [line])]
    history.remade.gather([BatchRecord(MARKET, 1, 0, 2, T + 9, 1, True, 2, events)])
    assert history.remade.wallets[7, "BTC"] == Wallet(0, 0, 50_000)
    fill = Filled(MARKET, "BTC-USD-1", "simulated", "x", 50_000, "USD", 49_000, T + 10)
    history.remade.fill([fill])
    history.remade.fill([fill])
    assert history.remade.wallets[7, "BTC"] == Wallet(50_000)
    (order,) = history.rows("orders")
    assert (order["state"], order["is_aggregated"], order["batch_id"], order["batch_line"]) == (
        "completed", True, "BTC-USD-1", 1,
    )  # fmt: skip
    assert history.remade.batches["BTC-USD-1"].state == "filled"
    assert [row["kind"] for row in history.rows("transfers")] == ["purchase", "delivery", "exchange"]


def test_accounts_and_transfers_come_with_their_keys():
    remade = Remade(transfer_id=5)
    moved: dict[str, Any] = {"asset": "USD", "requested_by": 7, "digest": "d", "note": None, "at_us": T * 1000}
    for entry in (
        AccountOpened(
            entry_id=1, user_id=7, username=None, name="Farbod", is_admin=False, at_us=T * 1000, requested_by=1,
            idempotency_key="c", digest="d",
        ),
        CurrencyAdded(entry_id=2, code="BTC", name="Bitcoin", scale=8, at_us=T * 1000),
        Deposited(entry_id=3, transfer_id=9, user_id=7, amount_atoms=100, idempotency_key="in", **moved),
        Withdrawn(entry_id=4, transfer_id=10, user_id=7, amount_atoms=-30, idempotency_key=None, **moved),
        AdminMade(entry_id=5, user_id=7, at_us=T * 1000),
    ):  # fmt: skip
        remade.enter(entry)
    assert remade.wallets == {(7, "USD"): Wallet(70)}
    assert remade.system == {("deposits", "", "USD"): -100, ("withdrawals", "", "USD"): 30}
    assert remade.rows["idempotency_keys"] == [(1, "c", "d", "user", 7), (7, "in", "d", "transfer", 9)]
    assert (remade.admins, remade.transfer_id) == ({7}, 11)
    assert [row[:3] for row in remade.rows["transfers"]] == [(9, "deposit", 7), (10, "withdrawal", 7)]


def test_numbers_are_known_as_long_as_the_engine_knows_them():
    repeats = Repeats()
    assert all(repeats.is_new(number) for number in range(1, REMEMBERED + 2))
    assert not repeats.is_new(1)
    assert not repeats.is_new(REMEMBERED + 1)
