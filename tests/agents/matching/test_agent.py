import json

import pytest

from agents.matching.agent import PROGRAM, Book, decode
from runtime.journal.errors import Broken
from runtime.journal.machine import Asked, Parked
from runtime.journal.partition import Partition
from schemas.commands import BuyFromHouse, ChangeRules, Hold, ListPrice, OpenMarket, PlaceOrder, Tick, encode_command
from tests.runtime.journal.records import Fake

OPEN = OpenMarket(
    market="BTC-USD", command_id=1, number=1, base="BTC", quote="USD", base_scale=8, quote_scale=8,
    tick_size="0.01", lot_size="0.0001",
)  # fmt: skip


def order(number: int, side: str, lots: int, ticks: int = 5_000_000, **more: object) -> PlaceOrder:
    hold = Hold("USD", lots * ticks * 100) if side == "buy" else Hold("BTC", lots * 10_000)
    given = {"command_id": number, "number": number, "order_id": number, "user_id": number}
    words = {"kind": "limit", "lots": lots, "price_ticks": ticks, "hold": hold}
    return PlaceOrder(market="BTC-USD", side=side, **{**given, **words, **more})


def told(*commands: object, partition: Partition | None = None) -> dict[str, list[dict]]:
    """What is said on each topic."""
    partition = partition or Partition(PROGRAM, 1)
    start = partition.next_offset
    records = [Fake(start + n, encode_command(command), partition=1) for n, command in enumerate(commands)]
    said: dict[str, list[dict]] = {"executions": [], "trades": [], "orders.parked": []}
    for outgoing in partition.run(records):
        said[outgoing.topic].append(json.loads(outgoing.value))
    return said


def test_a_trade_is_told_to_the_books_in_atoms_and_to_the_public_in_decimals_without_names():
    said = told(OPEN, order(2, "sell", 10), order(3, "buy", 4))
    assert [(e["seq"], e["offset"], e["command"], e["command_id"]) for e in said["executions"]] == [
        (1, 0, "open_market", 1),
        (2, 1, "place_order", 2),
        (3, 2, "place_order", 3),
    ]
    (trade,) = said["trades"]
    del trade["prev_chain"], trade["chain"]
    assert trade == {
        "market": "BTC-USD", "trade_seq": 1, "trade_id": "BTC-USD-1", "price": "50000.00", "amount": "0.0004",
        "quote_amount": "20.00", "taker_side": "buy", "kind": "book", "time_ms": 1000, "partition": 1, "offset": 2,
    }  # fmt: skip


def test_the_trades_of_a_sweep_are_one_record_each_and_go_on_counting_after_a_purchase_from_the_house():
    purchase = BuyFromHouse(
        market="BTC-USD",
        command_id=6,
        number=6,
        order_id=6,
        user_id=6,
        lots=1,
        price_ticks=100,
        hold=Hold("USD", 10_000),
    )
    listing = ListPrice(market="BTC-USD", command_id=5, number=5, price_ticks=100)
    said = told(OPEN, order(2, "sell", 1), order(3, "sell", 1), order(4, "buy", 2), listing, purchase)
    assert [(t["trade_seq"], t["offset"], t["kind"]) for t in said["trades"]] == [
        (1, 3, "book"),
        (2, 3, "book"),
        (3, 5, "house"),
    ]


def test_a_sweep_of_many_makers_comes_in_parts():
    makers = [order(number, "sell", 1) for number in range(2, 1202)]
    outcome = told(OPEN, *makers, order(1202, "buy", 1200))["executions"][1201:]
    assert [(e["part"], e["last"], len(e["events"])) for e in outcome] == [
        (1, False, 500),
        (2, False, 500),
        (3, True, 200),
    ]
    assert {e["command_id"] for e in outcome} == {1202}


def test_a_number_too_far_ahead_is_parked_and_its_command_stays_undecided():
    said = told(OPEN, order(900_000, "buy", 1), order(2, "buy", 1))
    (parked,) = said["orders.parked"]
    assert (parked["offset"], "too far ahead" in parked["reason"]) == (1, True)
    assert [(e["command_id"], len(e["events"])) for e in said["executions"]] == [(1, 1), (None, 0), (2, 1)]


def test_an_order_for_a_market_that_is_not_open_here_is_parked_in_the_pseudo_market():
    said = told(order(2, "buy", 1))
    assert said["orders.parked"][0]["reason"] == "market 'BTC-USD' is not open in partition 1"
    assert [(e["market"], e["seq"], e["command"], e["events"]) for e in said["executions"]] == [("#1", 1, None, [])]


def test_rules_that_this_release_lacks_stop_the_partition_before_the_record():
    partition = Partition(PROGRAM, 1)
    told(OPEN, partition=partition)
    with pytest.raises(Broken, match="rules version 7 is not in this release"):
        told(ChangeRules(market="BTC-USD", command_id=2, number=2, rules_version=7), partition=partition)
    assert partition.next_offset == 1


def test_records_are_read_for_what_they_open_and_what_rules_they_ask_for():
    assert decode(Fake(0, encode_command(OPEN))) == Asked("BTC-USD", OPEN, opens=True, rules=1)
    tick = Tick(market="BTC-USD")
    assert decode(Fake(0, encode_command(tick))) == Asked("BTC-USD", tick)
    assert isinstance(decode(Fake(0, b"{")), Parked)
    assert isinstance(decode(Fake(0, encode_command(tick), headers=[("v", b"2")])), Parked)


def test_a_book_that_was_restored_knows_its_rules():
    book = Book("BTC-USD")
    assert book.rules == 1
    book.apply(OPEN, 1)
    assert (Book.restore(book.snapshot()).rules, Book.restore(book.snapshot()).snapshot()) == (1, book.snapshot())
