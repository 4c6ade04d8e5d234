"""The desk on the real servers: each closed batch is bought once and told, whatever the exchange does."""

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from aiokafka import TopicPartition

from agents.settlement.connectors.ccxt_exchange import CcxtExchange
from agents.settlement.connectors.connector import Connector
from agents.settlement.connectors.simulated import SimulatedExchange
from agents.settlement.desk.agent import DeskWorker
from agents.settlement.desk.patience import FAILURES, Breaker
from agents.settlement.exchange.app import Behaviour
from ledger.connection import books
from runtime import kafka
from runtime.embedded.home import free_port
from runtime.settings import Settings
from runtime.telemetry import metrics
from schemas.batches import Failed, Fill, decode_fill, encode_fill
from schemas.topics import FILLS
from tests.agents.settlement.connectors.binance_double import KEY, SECRET, Mood, binance
from tests.agents.settlement.exchange.test_app import venue
from tests.agents.settlement.processes import Processes

WITHIN_S = 120
BATCHES = [f"ABAN-USD-{n}" for n in range(1, 5)]
pytestmark = pytest.mark.tampers  # batches without purchases: the desk alone is under test

MARKET = """
insert into currencies (code, name, scale) values ('ABAN', 'Aban', 8);
insert into markets (symbol, base, quote, partition, base_scale, quote_scale, tick_size, lot_size, lot_base_atoms,
                     tick_lot_quote_atoms, is_house, house_price_ticks)
values ('ABAN-USD', 'ABAN', 'USD', 2, 8, 8, 0.01, 0.0001, 10000, 100, true, 2000);
"""
BATCH = """
insert into batches (id, market, number, lots, notional_atoms, state, created_at)
select 'ABAN-USD-' || n, 'ABAN-USD', n, 5000, 1000000000, 'closed', now() from generate_series(1, $1::integer) n
"""


async def closed(settings: Settings, count: int) -> None:
    """So many batches that wait to be bought, half a coin each, for ten dollars."""
    await kafka.ensure_topics(settings, (FILLS,))
    async with books(settings) as connection:
        await connection.execute(MARKET)
        await connection.execute(BATCH, count)


@contextlib.asynccontextmanager
async def working(*desks: DeskWorker) -> AsyncIterator[None]:
    for desk in desks:
        await desk.start()
    try:
        yield
    finally:
        for desk in desks:
            await desk.stop()


async def until(condition: Callable[[], Any]) -> None:
    """Waits for something that may be asked of the test's own process."""
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def attempts(settings: Settings, which: str, count: int) -> list[Any]:
    """Waits until so many attempts are as described; all of them, by batch."""
    deadline = time.monotonic() + WITHIN_S
    async with books(settings) as connection:
        while await connection.fetchval(f"select count(*) from batch_attempts where {which}") < count:
            assert time.monotonic() < deadline, await connection.fetch("select * from batch_attempts")
            await asyncio.sleep(0.05)
        return list(await connection.fetch("select * from batch_attempts order by batch_id"))


async def told(settings: Settings, count: int) -> list[Any]:
    """Waits until all attempts are told; what each batch was told as."""
    return [json.loads(row["verdict"]) for row in await attempts(settings, "told_at is not null", count)]


async def bought_at(url: str) -> list[dict[str, Any]]:
    async with ClientSession() as session, session.get(f"{url}/bought") as answer:
        return list(await answer.json())


async def fills(settings: Settings, count: int) -> list[Fill]:
    """All that was said, until so many batches were."""
    consumer = kafka.consumer(settings, name="test")
    found: list[Fill] = []
    async with kafka.running(consumer):
        place = TopicPartition(settings.topic(FILLS.name), 2)
        consumer.assign([place])
        consumer.seek(place, 0)
        while len({fill.batch_id for fill in found}) < count:
            async with asyncio.timeout(WITHIN_S):
                record = await consumer.getone()
            found.append(decode_fill(record.value))
    return found


def account(settings: Settings, url: str) -> Connector:
    return CcxtExchange(Settings(
        home=settings.home, exchange="binance", exchange_url=url, exchange_api_key=KEY, exchange_secret_key=SECRET,
    ))  # fmt: skip


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
    await closed(stack, 4)
    async with (
        venue(tmp_path, behaviour) as url,
        working(*(DeskWorker(stack, SimulatedExchange(url), window_ms=3_000) for _ in range(2))),
    ):
        verdicts = await told(stack, 4)
        bought = await bought_at(url)
    assert sorted(one["batch_id"] for one in bought) == BATCHES
    filled = {one["batch_id"]: str(one["exchange_order_id"]) for one in bought if one["status"] == "filled"}
    assert {one["batch_id"]: one["exchange_order_id"] for one in verdicts if one["type"] == "filled"} == filled
    assert {fill.batch_id for fill in await fills(stack, 4)} == set(BATCHES)


async def test_a_venue_of_ccxt_is_asked_before_it_is_sent_anything_again(stack: Settings) -> None:
    """It would execute a repeated id a second time."""
    await closed(stack, 4)
    async with binance(Mood(lose_every=1)) as (double, url):
        async with working(*(DeskWorker(stack, account(stack, url), window_ms=3_000) for _ in range(2))):
            verdicts = await told(stack, 4)
        assert sorted(order["clientOrderId"] for order in double.orders) == BATCHES
    assert [(one["batch_id"], one["base_atoms"], one["charged_atoms"]) for one in verdicts] == [
        (batch_id, 49_950_000, 10 * 10**8) for batch_id in BATCHES
    ]


async def test_a_desk_that_froze_between_intent_and_sending_buys_nothing_when_it_wakes_up(
    stack: Settings, tmp_path: Path
) -> None:
    await closed(stack, 1)
    async with binance(Mood()) as (double, url):
        exchange = {"EXCHANGE": "binance", "EXCHANGE_URL": url, "EXCHANGE_API_KEY": KEY, "EXCHANGE_SECRET_KEY": SECRET}
        processes = Processes(stack, tmp_path, exchange)
        try:
            processes.start("frozen", "-m", "tests.agents.settlement.desk.frozen", "2000")
            await attempts(stack, "true", 1)
            frozen = processes.running["frozen"]
            await until(lambda: state_of(frozen.pid) == "T")
            async with working(DeskWorker(stack, account(stack, url), window_ms=30_000)):
                (verdict,) = await told(stack, 1)
            os.kill(frozen.pid, signal.SIGCONT)
            await until(lambda: double.late)
        finally:
            processes.stop()
        assert (double.late, [order["clientOrderId"] for order in double.orders]) == (BATCHES[:1], BATCHES[:1])
    assert (verdict["type"], verdict["exchange_order_id"]) == ("filled", "1")


def state_of(pid: int) -> str:
    """R, S, D, T as the kernel says."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


async def test_an_exchange_that_is_away_is_left_alone_and_probed_and_bought_at_when_it_is_back(
    stack: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await closed(stack, FAILURES + 2)
    port = free_port(taken=set())
    breaker = Breaker(rest_ms=300)
    async with working(DeskWorker(stack, SimulatedExchange(f"http://127.0.0.1:{port}"), breaker=breaker)):
        await until(lambda: breaker.is_open and metric("tidemark_breaker_open", exchange="simulated") == 1)
        assert metric("tidemark_lag_records", topic="exchange.batches", partition="all") == FAILURES + 2
        assert "ALARM: simulated is left alone" in caplog.text
        async with venue(tmp_path, Behaviour(latency=0), port) as url:
            await told(stack, FAILURES + 2)
            await until(lambda: metric("tidemark_breaker_open", exchange="simulated") == 0)
            assert len(await bought_at(url)) == FAILURES + 2


def metric(name: str, **labels: str) -> int:
    value = metrics.registry.get_sample_value(name, labels)
    return -1 if value is None else int(value)


async def test_nothing_is_sent_to_an_exchange_whose_clock_is_far_behind(
    stack: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """It would execute a request long after a successor had sent the next."""
    await closed(stack, 1)
    async with binance(Mood(clock_ahead_ms=-3_600_000)) as (double, url):
        async with working(DeskWorker(stack, account(stack, url), window_ms=500, breaker=Breaker(rest_ms=1))):
            await until(lambda: "ALARM: binance is left alone" in caplog.text or "ALARM: ABAN-USD-1" in caplog.text)
        assert double.orders == double.late == []
    (attempt,) = await attempts(stack, "true", 1)
    assert attempt["verdict"] is None
    assert "behind the intent" in caplog.text


async def test_the_first_word_is_told_and_another_one_is_an_alarm(
    stack: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await closed(stack, 1)
    by_hand = Failed("ABAN-USD", "ABAN-USD-1", "by hand", "nobody sold", 5)
    async with (
        venue(tmp_path, Behaviour(latency=1.0)) as url,
        working(DeskWorker(stack, SimulatedExchange(url), window_ms=60_000)),
    ):
        await attempts(stack, "true", 1)
        async with books(stack) as connection:
            await connection.execute(
                "update batch_attempts set verdict = $1::text::jsonb", encode_fill(by_hand).decode()
            )
        await told(stack, 1)
        await until(lambda: "but it was told already" in caplog.text)
    assert set(await fills(stack, 1)) == {by_hand}
