"""`tidemark book show` on a real journal, from its start and from a snapshot."""

import json
from typing import Any

import pytest

from ops.book import lines
from runtime import kafka
from runtime.settings import Settings
from schemas.topics import CHANGELOGS, COMMANDS, EXECUTIONS, TRADES
from tests.ops.conftest import Verb
from tests.ops.replay.exchange import BTC, ETH, commands, journaled, kept, listed, told

TOPICS = (COMMANDS, EXECUTIONS, TRADES, CHANGELOGS[0])
BOOK: dict[str, Any] = {
    "market": BTC, "partition": 1, "offset": 6, "answered": 5, "time_ms": 1_700_000_000_123, "seq": 5,
    "chain": "0" * 32, "trade_seq": 1, "status": "open", "last_price": "100.00", "house_price": None, "orders": 3,
    "bids": [{"price": "99.00", "amount": "0.0003", "orders": 1}],
    "asks": [
        {"price": "101.00", "amount": "0.0010", "orders": 2}, {"price": "102.00", "amount": "10.0000", "orders": 1},
    ],
}  # fmt: skip


def level(price: str, amount: str, orders: int = 1) -> dict[str, object]:
    return {"price": price, "amount": amount, "orders": orders}


async def test_the_book_is_shown_as_it_was_at_any_offset(stack: Settings, verb: Verb) -> None:
    """Sells of 5 lots at 100 and 101, a buy that takes the first, a cancel of the second; and two that rest."""
    await kafka.ensure_topics(stack, TOPICS)
    await listed(stack)
    records = await journaled(stack, commands())
    await told(stack, records)

    async def shown(*words: object) -> dict[str, Any]:
        said = await verb("book", "show", "--json", *words)
        assert (said.code, said.err) == (0, "")
        found: dict[str, Any] = json.loads(said.out)
        return found

    async def sides(*words: object) -> tuple[object, object]:
        found = await shown(*words)
        return found["bids"], found["asks"]

    early = [level("100.00", "0.0005"), level("101.00", "0.0005")]
    assert await sides("--market", BTC, "--at-offset", 0) == ([], [])
    assert await sides("--market", BTC, "--at-offset", 3) == ([], early)
    assert await sides("--market", BTC, "--at-offset", 3, "--depth", 1) == ([], early[:1])
    assert await sides("--market", BTC, "--at-offset", 4) == ([], early[1:])
    assert await sides("--market", BTC, "--at-offset", 5) == await sides("--market", BTC, "--at-offset", 9) == ([], [])
    last = await shown("--market", ETH)
    assert (last["bids"], last["asks"]) == ([level("99.00", "0.0003")], [level("102.00", "0.0007")])
    assert (last["offset"], last["seq"], last["trade_seq"], last["last_price"], last["orders"]) == (
        37,
        19,
        4,
        "100.00",
        2,
    )
    await kept(stack, await told(stack, records[:5], lambda _sent: []))
    assert await shown("--market", ETH) == await shown("--market", ETH, "--from-start") == last
    assert await sides("--market", BTC, "--at-offset", 3) == ([], early)


async def test_what_makes_no_sense_is_refused(stack: Settings, verb: Verb) -> None:
    await kafka.ensure_topics(stack, TOPICS)
    await listed(stack)
    await journaled(stack, commands()[:2])
    topic = stack.topic(COMMANDS.name)
    for words, sentence in {
        (BTC, 9): f"{topic}/1 ends at 2: offset 9 is not there yet.",
        (ETH, 0): "ETH-USD is not open in partition 1 before offset 1.",
        ("DOGE-USD", 0): "There is no market DOGE-USD: `tidemark shell` or GET markets lists them.",
    }.items():
        said = await verb("book", "show", "--market", words[0], "--at-offset", words[1])
        assert (said.code, said.out, said.err) == (2, "", f"tidemark: {sentence}\n")


def test_a_person_sees_the_best_prices_in_the_middle() -> None:
    head, *rows = lines(BOOK)
    assert head == (
        "BTC-USD after offset 6 of partition 1 (its own last record is 5, of 2023-11-14T22:13:20.123Z): open, seq 5, "
        "3 orders, last price 100.00"
    )
    assert rows == [
        "      PRICE   AMOUNT  ORDERS",
        "ask  102.00  10.0000       1",
        "ask  101.00   0.0010       2",
        "bid   99.00   0.0003       1",
    ]


@pytest.mark.parametrize("words", [["book"], ["book", "show"], ["book", "show", "--market", "X", "--at-offset", "-1"]])
async def test_what_is_asked_wrongly_is_a_usage_error(verb: Verb, words: list[str]) -> None:
    said = await verb(*words)
    assert (said.code, said.out, said.err.startswith("usage: tidemark book")) == (2, "", True)
