"""The desk on the real servers: each closed batch is bought once and told, whatever the exchange does."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from aiokafka import TopicPartition

from agents.settlement.connectors.simulated import SimulatedExchange
from agents.settlement.desk.agent import Desk
from agents.settlement.exchange.app import Behaviour
from ledger.connection import books
from runtime import kafka
from runtime.settings import Settings
from schemas.batches import decode_fill
from schemas.topics import FILLS
from tests.agents.settlement.exchange.test_app import venue

WITHIN_S = 60

MARKET = """
insert into currencies (code, name, scale) values ('ABAN', 'Aban', 8);
insert into markets (symbol, base, quote, partition, base_scale, quote_scale, tick_size, lot_size, lot_base_atoms,
                     tick_lot_quote_atoms, is_house, house_price_ticks)
values ('ABAN-USD', 'ABAN', 'USD', 2, 8, 8, 0.01, 0.0001, 10000, 100, true, 2000);
insert into batches (id, market, number, lots, notional_atoms, state, created_at)
select 'ABAN-USD-' || n, 'ABAN-USD', n, 5000, 1000000000, 'closed', now() from generate_series(1, 4) n;
"""


async def told(settings: Settings, count: int) -> list[Any]:
    """Waits until all attempts are told; what each batch was told as."""
    deadline = time.monotonic() + WITHIN_S
    async with books(settings) as connection:
        while await connection.fetchval("select count(*) from batch_attempts where told_at is not null") < count:
            assert time.monotonic() < deadline, await connection.fetch("select * from batch_attempts")
            await asyncio.sleep(0.05)
        rows = await connection.fetch("select verdict from batch_attempts order by batch_id")
    return [json.loads(row["verdict"]) for row in rows]


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(latency=0),
        Behaviour(latency=0, lose_answer=700, double_answer=500),
        Behaviour(latency=0.5, fail=500, partial=500, slip_bps=100),
    ],
)
async def test_every_closed_batch_is_bought_once_and_told(
    stack: Settings, tmp_path: Path, behaviour: Behaviour
) -> None:
    await kafka.ensure_topics(stack, (FILLS,))
    async with books(stack) as connection:
        await connection.execute(MARKET)
    async with venue(tmp_path, behaviour) as url:
        desks = [Desk(stack, SimulatedExchange(url), window_ms=3_000) for _ in range(2)]
        for desk in desks:
            await desk.start()
        verdicts = await told(stack, 4)
        for desk in desks:
            await desk.stop()
        async with ClientSession() as session, session.get(f"{url}/bought") as answer:
            bought = await answer.json()
    assert sorted(one["batch_id"] for one in bought) == [f"ABAN-USD-{n}" for n in range(1, 5)]
    filled = {one["batch_id"]: str(one["exchange_order_id"]) for one in bought if one["status"] == "filled"}
    assert {one["batch_id"]: one["exchange_order_id"] for one in verdicts if one["type"] == "filled"} == filled
    said = {fill.batch_id for fill in await fills(stack)}
    assert said == {f"ABAN-USD-{n}" for n in range(1, 5)}


async def fills(settings: Settings) -> list[Any]:
    consumer = kafka.consumer(settings, name="test")
    found = []
    async with kafka.running(consumer):
        place = TopicPartition(settings.topic(FILLS.name), 2)
        consumer.assign([place])
        consumer.seek(place, 0)
        while len({fill.batch_id for fill in found}) < 4:
            async with asyncio.timeout(WITHIN_S):
                record = await consumer.getone()
            found.append(decode_fill(record.value))
    return found
