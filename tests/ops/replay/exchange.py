"""A journal with two markets in Kafka and all that a matching worker says of it, true or forged."""

import json
from collections.abc import Callable, Sequence

import msgspec

from agents.matching.agent import PROGRAM
from ledger.connection import books
from runtime import kafka
from runtime.journal.checkpoint import Round
from runtime.journal.machine import Record
from runtime.journal.partition import Outgoing, Partition
from runtime.journal.reader import Reader
from runtime.settings import Settings
from schemas.commands import CancelOrder, Command, Hold, OpenMarket, PlaceOrder, encode_command
from schemas.topics import COMMANDS, changelog

PARTITION = 1
BTC, ETH = "BTC-USD", "ETH-USD"
Forge = Callable[[list[Outgoing]], Sequence[Outgoing]]
KNOWN = """
insert into currencies (code, name, scale) values ('BTC', 'Bitcoin', 8), ('ETH', 'Ether', 8) on conflict do nothing
"""
LISTED = """
insert into markets (symbol, base, quote, partition, base_scale, quote_scale, tick_size, lot_size, lot_base_atoms,
                     tick_lot_quote_atoms)
values ($1 || '-USD', $1, 'USD', $2, 8, 8, 0.01, 0.0001, 10000, 100)
"""


def opening(market: str) -> OpenMarket:
    return OpenMarket(
        market=market, command_id=1, number=1, base=market.removesuffix("-USD"), quote="USD", base_scale=8,
        quote_scale=8, tick_size="0.01", lot_size="0.0001",
    )  # fmt: skip


def order(market: str, number: int, side: str, lots: int, price_ticks: int) -> PlaceOrder:
    hold = Hold("USD", lots * price_ticks * 100) if side == "buy" else Hold(market[:3], lots * 10_000)
    return PlaceOrder(
        market=market, command_id=number, number=number, order_id=number, user_id=number, side=side, kind="limit",
        lots=lots, price_ticks=price_ticks, hold=hold,
    )  # fmt: skip


def commands() -> list[Command]:
    """Per market: open, four rounds of two sells, a buy that takes the cheaper and a cancel of the dearer, two rest."""
    given: list[Command] = [opening(BTC), opening(ETH)]
    for number in range(2, 18, 4):
        for market in (BTC, ETH):
            leaver = number + 1
            given += [
                order(market, number, "sell", 5, 10_000),
                order(market, leaver, "sell", 5, 10_100),
                order(market, number + 2, "buy", 5, 10_000),
                CancelOrder(market=market, command_id=number + 3, number=number + 3, order_id=leaver, user_id=leaver),
            ]  # fmt: skip
    for market in (BTC, ETH):
        given += [order(market, 18, "sell", 7, 10_200), order(market, 19, "buy", 3, 9_900)]
    return given


def truth(sent: list[Outgoing]) -> Sequence[Outgoing]:
    return sent


async def listed(settings: Settings) -> None:
    """The markets in the books, which know their partition; a third one was never journaled."""
    async with books(settings) as connection:
        await connection.execute(KNOWN)
        for base in ("BTC", "ETH"):
            await connection.execute(LISTED, base, PARTITION)


async def journaled(settings: Settings, given: Sequence[Command], partition: int = PARTITION) -> list[Record]:
    """The commands in Kafka, and as it has them."""
    topic, reader = settings.topic(COMMANDS.name), Reader(settings, "test")
    begin = (await reader.bounds(topic, [partition]))[partition][1]
    async with kafka.running(kafka.producer(settings, name="test")) as producer:
        for command in given:
            await producer.send_and_wait(topic, encode_command(command), command.market.encode(), partition)
    found: list[Record] = []
    async for records in reader.read(topic, partition, begin, begin + len(given)):
        found += records
    return found


async def told(
    settings: Settings, records: Sequence[Record], forge: Forge = truth, number: int = PARTITION
) -> Partition:
    """What a worker says of the records, after the forger has seen it; the state afterwards."""
    partition: Partition = Partition(PROGRAM, number)
    sent = forge(partition.run(records))
    async with kafka.running(kafka.producer(settings, name="test")) as producer:
        for outgoing in sent:
            await producer.send_and_wait(settings.topic(outgoing.topic), outgoing.value, outgoing.key, number)
    return partition


async def kept(settings: Settings, partition: Partition) -> None:
    """A snapshot, as a round writes it."""
    round_ = Round(2, "0.1.0", partition, ({}, {}))
    topic = settings.topic(changelog(PROGRAM.name, PROGRAM.table).name)
    async with kafka.running(kafka.producer(settings, name="test")) as producer:
        for key, value in (*round_.pieces(), round_.manifest_entry()):
            await producer.send_and_wait(topic, value, key, PARTITION)


def place_of(sent: Sequence[Outgoing], topic: str, position: int) -> int:
    """Where among all that was said a record of one topic stands."""
    return [index for index, outgoing in enumerate(sent) if outgoing.topic == topic][position]


def forged(topic: str, position: int, **changes: object) -> Forge:
    """One record of a topic with other fields in it."""

    def forge(sent: list[Outgoing]) -> Sequence[Outgoing]:
        at = place_of(sent, topic, position)
        value = json.dumps(json.loads(sent[at].value) | changes, separators=(",", ":")).encode()
        return [*sent[:at], msgspec.structs.replace(sent[at], value=value), *sent[at + 1 :]]

    return forge


def dropped(topic: str, position: int) -> Forge:
    def forge(sent: list[Outgoing]) -> Sequence[Outgoing]:
        at = place_of(sent, topic, position)
        return [*sent[:at], *sent[at + 1 :]]

    return forge


def flipped(topic: str, position: int, at_byte: int) -> Forge:
    def forge(sent: list[Outgoing]) -> Sequence[Outgoing]:
        at = place_of(sent, topic, position)
        value = bytearray(sent[at].value)
        value[at_byte] ^= 1
        return [*sent[:at], msgspec.structs.replace(sent[at], value=bytes(value)), *sent[at + 1 :]]

    return forge


def repeated(sent: list[Outgoing]) -> Sequence[Outgoing]:
    """A worker died, and its successor began again somewhat earlier."""
    return [*sent[:20], *sent[8:30], *sent]
