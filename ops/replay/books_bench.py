"""`tidemark bench books-again`: the books made from the topics alone, in a schema that was empty before.

The history is what an exchange has: accounts, deposits, orders that trade two by two, executed by the real engine.
"""

import asyncio
import itertools
import time
from collections.abc import Iterable, Iterator

from agents.matching.agent import PROGRAM
from ledger.connection import books
from ledger.migrate import migrate
from ledger.reconcile import differences
from ledger.replay.following import Count, Following
from ledger.replay.known import Nothing
from ledger.replay.remade_rules import Remade
from ledger.replay.store import Tables, Writer
from ledger.replay.topics import TOPICS, Topics
from runtime import collector, kafka
from runtime.bench import Bench, Measuring
from runtime.journal.reader import Reader
from runtime.journal.replay import replay
from runtime.settings import Settings
from schemas.commands import Command, Hold, OpenMarket, PlaceOrder, encode_command
from schemas.entries import AccountOpened, CurrencyAdded, Deposited, Entry, encode_entry
from schemas.topics import COMMANDS, EXECUTIONS, LEDGER_ENTRIES

SYMBOL, PRICE, VALUE, LOT = "BTC-USD", 10_000, 100, 10_000
USERS, TRADES = 500, 20_000
START_US = 1_700_000_000_000_000
FLIGHT = 2_000


def entries() -> Iterator[Entry]:
    """Somebody to trade, with money of both kinds."""
    numbers = itertools.count(1)
    yield CurrencyAdded(entry_id=next(numbers), code="BTC", name="Bitcoin", scale=8, at_us=START_US)
    for user in range(1, USERS + 1):
        name = f"user{user}"
        yield AccountOpened(
            entry_id=next(numbers), user_id=user, username=name, name=None, is_admin=False, at_us=START_US
        )
        for asset, atoms in (("USD", 10**15), ("BTC", 10**12)):
            entry = next(numbers)
            yield Deposited(
                entry_id=entry, transfer_id=entry, user_id=user, asset=asset, amount_atoms=atoms, requested_by=user,
                idempotency_key=None, digest="", note=None, at_us=START_US,
            )  # fmt: skip


def commands() -> Iterator[Command]:
    """Every second order takes the one before it."""
    yield OpenMarket(
        market=SYMBOL, command_id=1, number=1, base="BTC", quote="USD", base_scale=8, quote_scale=8, tick_size="0.01",
        lot_size="0.0001",
    )  # fmt: skip
    for number in range(2, 2 * TRADES + 2):
        sells = number % 2 == 0
        hold = Hold("BTC", 20 * LOT) if sells else Hold("USD", 20 * PRICE * VALUE)
        yield PlaceOrder(
            market=SYMBOL, command_id=number, number=number, order_id=number, user_id=1 + number % USERS,
            side="sell" if sells else "buy", kind="limit", lots=20, price_ticks=PRICE, hold=hold,
            client_order_id=f"bench-{number}", body_digest="c0ffee" * 5,
        )  # fmt: skip


def _batched(values: Iterable[bytes]) -> Iterator[list[bytes]]:
    """So many at once; `itertools` has this from Python 3.12 on."""
    rest = iter(values)
    while some := list(itertools.islice(rest, FLIGHT)):
        yield some


async def write_history(settings: Settings) -> None:
    """What API and matching agent would have said."""
    assert await kafka.ensure_topics(settings, TOPICS) == []
    topic = settings.topic(COMMANDS.name)
    async with kafka.running(kafka.producer(settings, name="bench", linger_ms=5)) as producer:

        async def send(name: str, values: Iterable[bytes]) -> None:
            for some in _batched(values):
                futures = [await producer.send(settings.topic(name), value, b"", 0) for value in some]
                await asyncio.gather(*futures)

        await send(LEDGER_ENTRIES.name, map(encode_entry, entries()))
        await send(COMMANDS.name, map(encode_command, commands()))
        reader = Reader(settings, "bench")
        end = (await reader.bounds(topic, [0]))[0][1]
        told = [one.value async for one in replay(PROGRAM, reader, topic, 0, end) if one.topic == EXECUTIONS.name]
        await send(EXECUTIONS.name, told)


async def make(settings: Settings, schema: Settings) -> int:
    """The books in this schema, from the topics of those settings; how many trades they have."""
    topics, remade = Topics(settings), Remade(transfer_id=1 << 40)
    ends = await topics.ends(*TOPICS)
    async with books(schema) as connection, connection.transaction():
        tables, writer = Tables(connection), Writer(connection)
        count = Count(lambda _done, _total: None)
        following = Following(topics, remade, tables, writer, Nothing(), count)
        await following.to(ends)
        await writer.write(remade.rest())
        await writer.settled()
        await tables.finish(remade)
        await tables.set_marks(following.marks)
    return remade.trades


async def measure(measuring: Measuring) -> None:
    """Each repeat makes them anew; the first one must be right to the atom."""
    settings = measuring.settings
    await write_history(settings)
    collector.spare()
    values = []
    for repeat in range(measuring.repeats):
        await migrate(settings)
        began = time.perf_counter()
        trades = await make(settings, settings)
        values.append(trades / (time.perf_counter() - began))
        async with books(settings) as connection:
            if repeat == 0 and (wrong := await differences(connection)):
                raise AssertionError(f"the books do not agree: {wrong[0]}")
            await connection.execute(f'drop schema "{settings.postgres_schema}" cascade')
    measuring.add("books made again from the topics", "trades/s", values, floor=5_000)


BENCH = Bench("books-again", "the books made from the topics alone, two orders a trade", measure)
