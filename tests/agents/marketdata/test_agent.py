"""The agent on the real servers: the book in Redis is the book of the executions, whatever is lost or killed."""

import asyncio
import random
import signal

import pytest

from agents.marketdata.agent import Board, decode
from agents.marketdata.store import REPLACE
from agents.marketdata.view import View
from runtime import redis
from runtime.journal.chain import ORIGIN
from runtime.journal.errors import Broken
from runtime.journal.halt import EXIT_CODE
from runtime.journal.machine import Asked, Parked
from runtime.journal.partition import Partition
from schemas.views import HEAD_BYTES, book_key, decode_delta, depth_channel, ticker_key
from tests.agents.marketdata.floor import Floor
from tests.agents.marketdata.market import SYMBOL, Exchange, Reader
from tests.runtime.journal.records import Fake


def records(exchange: Exchange) -> list[Fake]:
    return [Fake(offset, value, partition=0) for offset, value in enumerate(exchange.executions)]


def board(exchange: Exchange, count: int) -> Board:
    fresh = Board(View(SYMBOL, chain=ORIGIN), lambda _market: None)
    for record in records(exchange)[:count]:
        asked = decode(record)
        assert isinstance(asked, Asked)
        fresh.apply(asked.command, 0)
    return fresh


def several() -> Exchange:
    exchange = Exchange()
    for price in (100, 101, 102):
        exchange.place("buy", price, 5)
    return exchange


def test_a_repeat_changes_nothing():
    exchange = several()
    once, twice = board(exchange, 4), board(exchange, 4)
    for record in records(exchange)[1:]:
        asked = decode(record)
        assert isinstance(asked, Asked)
        twice.apply(asked.command, 0)
    assert once.snapshot() == twice.snapshot()


def test_a_gap_stops_the_partition():
    exchange = several()
    asked = decode(records(exchange)[3])
    assert isinstance(asked, Asked)
    with pytest.raises(Broken, match="seq 3 is missing"):
        board(exchange, 2).apply(asked.command, 0)


def test_another_history_stops_the_partition():
    exchange, other = several(), several()
    other.place("sell", 300, 1)
    exchange.place("sell", 200, 1)
    exchange.place("sell", 201, 1)
    asked = decode(records(exchange)[5])
    assert isinstance(asked, Asked)
    with pytest.raises(Broken, match="the chain parts at seq 6"):
        board(other, 5).apply(asked.command, 0)


def test_what_belongs_to_no_market_shows_nothing():
    exchange = Exchange()
    exchange.partition.run([Fake(exchange.partition.next_offset, b"not a command", partition=0)])
    (outgoing, *_) = [
        sent
        for sent in Partition(exchange.partition.program, 0).run([Fake(0, b"not a command", partition=0)])
        if sent.topic == "executions"
    ]
    assert isinstance(decode(Fake(0, outgoing.value)), Parked)


async def test_books_tickers_and_deltas_follow_the_executions(floor: Floor):
    exchanges = [Exchange(SYMBOL, 0), Exchange("ETH-USD", 1), Exchange("ABAN-USD", 1)]
    chance = random.Random(1)
    await floor.send(*exchanges)
    floor.start()
    for exchange in exchanges:
        await floor.shows(exchange)
    async with redis.subscriber(floor.settings).pubsub(ignore_subscribe_messages=True) as pubsub:
        await pubsub.subscribe(floor.settings.redis_key(depth_channel(SYMBOL)))
        await pubsub.get_message(timeout=5)
        first = await floor.book(SYMBOL)
        assert first is not None
        reader = Reader(first.seq, dict(first.bids), dict(first.asks))
        for _ in range(10):
            for _ in range(40):
                for exchange in exchanges:
                    exchange.anything(chance)
            await floor.send(*exchanges)
        for exchange in exchanges:
            await floor.shows(exchange)
        last = await floor.book(SYMBOL)
        assert last is not None
        while reader.seq < last.seq:
            message = await pubsub.get_message(timeout=5)
            if message is not None:
                reader.take(decode_delta(message["data"]))
        assert (list(reader.levels()[0]), list(reader.levels()[1])) == (last.bids, last.asks)


async def test_what_redis_has_lost_is_there_again(floor: Floor):
    exchange = several()
    await floor.send(exchange)
    floor.start()
    await floor.shows(exchange)
    for key in (book_key(SYMBOL), ticker_key(SYMBOL)):
        await floor.redis.delete(floor.settings.redis_key(key))
    await floor.shows(exchange)
    assert await floor.value(ticker_key(SYMBOL)) is not None
    await floor.redis.set(
        floor.settings.redis_key(book_key(SYMBOL)),
        b'{"market":"BTC-USD","seq":1,"at":"","checksum":0,"bids":[],"asks":[]}',
    )
    await floor.shows(exchange)


async def test_a_view_of_another_history_is_replaced_in_the_end(floor: Floor):
    exchange = several()
    await floor.send(exchange)
    key = floor.settings.redis_key(book_key(SYMBOL))
    await floor.redis.set(key, b'{"market":"BTC-USD","seq":999999,"at":"","checksum":0,"bids":[],"asks":[]}')
    floor.start()
    await floor.shows(exchange)


async def test_an_older_view_does_not_replace_a_newer_one(space):
    async with redis.client(space) as client:
        key = space.redis_key("book:M")
        for seq, value in ((5, b'{"market":"M","seq":5,"a":1}'), (4, b'{"market":"M","seq":4,"a":2}')):
            await client.eval(REPLACE, 1, key, str(seq), value, "", str(HEAD_BYTES - 1))
        assert await client.get(key) == b'{"market":"M","seq":5,"a":1}'
        await client.eval(REPLACE, 1, key, "4", b'{"market":"M","seq":4,"a":2}', "force", str(HEAD_BYTES - 1))
        assert await client.get(key) == b'{"market":"M","seq":4,"a":2}'
        await client.delete(key)


async def test_killed_again_and_again_it_goes_on_from_its_snapshots(floor: Floor):
    exchange, chance = Exchange(), random.Random(2)
    floor.start()
    for _ in range(4):
        for _ in range(300):
            exchange.anything(chance)
        await floor.send(exchange)
        await asyncio.sleep(chance.random() * 1.5)
        await floor.kill()
        floor.again(exchange, chance.randint(0, 50))
        await floor.send(exchange)
        floor.start()
    await floor.shows(exchange)
    floor.processes[-1].send_signal(signal.SIGTERM)
    assert await floor.gone() == 0, floor.said()
    floor.start()
    exchange.place("buy", 1, 1)
    await floor.send(exchange)
    await floor.shows(exchange)
    assert "executing from the journal's start" not in floor.said()[-1500:]


async def test_a_gap_in_kafka_is_a_halt_that_names_the_market(floor: Floor):
    exchange = several()
    del exchange.executions[2]
    await floor.send(exchange)
    floor.start()
    assert await floor.gone() == EXIT_CODE
    assert "market BTC-USD, offset 2: seq 3 is missing in Kafka" in floor.said()
