"""Purchases on the real servers, through every process: whoever is killed when, each batch is bought once."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from agents.settlement.exchange.app import Behaviour
from ledger.accounts import NewUser, create_user
from ledger.commands import journal_records
from ledger.connection import books
from ledger.hold_rules import NewOrder, Placed
from ledger.holds import place
from ledger.reconcile import differences
from ledger.seed import seed
from ledger.transfer_rules import TransferRequest
from ledger.transfers import transfer
from runtime import kafka
from runtime.settings import Settings
from schemas.commands import encode_command
from schemas.topics import CHANGELOGS, COMMANDS, TOPICS
from tests.agents.settlement.exchange.test_app import venue

ROOT = Path(__file__).resolve().parents[3]
SYMBOL, PRICE, VALUE, LOT = "ABAN-USD", 2_000, 100, 10_000
WITHIN_S = 120


class Pipeline:
    """The agents as processes, and what the API does in one hand."""

    def __init__(self, settings: Settings, folder: Path, url: str, connection: Any) -> None:
        self.settings = settings
        self.folder = folder
        self.url = url
        self.connection = connection
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.killed: list[str] = []

    def start(self, module: str, *, crash_at: str = "") -> None:
        one = self.settings
        environ = {
            **os.environ,
            "POSTGRES_HOST": str(one.postgres_host), "POSTGRES_PORT": str(one.postgres_port),
            "POSTGRES_USER": one.postgres_user, "POSTGRES_PASSWORD": one.postgres_password,
            "POSTGRES_DB": one.postgres_db, "REDIS_HOST": str(one.redis_host), "REDIS_PORT": str(one.redis_port),
            "REDIS_PASSWORD": one.redis_password, "KAFKA_BOOTSTRAP": str(one.kafka_bootstrap),
            "TIDEMARK_NAMESPACE": one.namespace, "KAFKA_PARTITIONS": str(one.kafka_partitions),
            "TIDEMARK_HOME": str(self.folder), "TIDEMARK_CONFIG": os.devnull, "TIDEMARK_TEST": "1",
            "EXCHANGE_URL": self.url, "CRASH_AT": crash_at,
        }  # fmt: skip
        with (self.folder / f"{module}.log").open("ab") as log:
            self.processes[module] = subprocess.Popen(
                [sys.executable, "-m", f"agents.{module}"], env=environ, cwd=ROOT, stderr=log, stdin=subprocess.DEVNULL
            )

    def stop(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()

    def restart_killed(self) -> None:
        """The supervisor's part; a process that ended in any other way has halted."""
        for module, process in list(self.processes.items()):
            code = process.poll()
            if code == -signal.SIGKILL:
                self.killed.append(module)
                self.start(module)
            assert code in (None, -signal.SIGKILL), (self.folder / f"{module}.log").read_text()[-3000:]

    async def until(self, query: str) -> None:
        deadline = time.monotonic() + WITHIN_S
        while await self.connection.fetchval(query):
            self.restart_killed()
            logs = "".join(path.read_text()[-1500:] for path in self.folder.glob("*.log"))
            assert time.monotonic() < deadline, logs
            await asyncio.sleep(0.05)

    async def journal(self) -> None:
        """Sends every pending command as the API does."""
        rows = await self.connection.fetch("select id from commands where state = 'pending' order by id")
        async with kafka.running(kafka.producer(self.settings, name="test")) as producer:
            for record in await journal_records(self.connection, [row["id"] for row in rows]):
                value, key = encode_command(record.command), record.command.market.encode()
                await (await producer.send(self.settings.topic(COMMANDS.name), value, key, record.partition))

    async def buy(self, user_id: int, lots: int, key: str) -> None:
        order = NewOrder(
            user_id=user_id, market=SYMBOL, kind="purchase", side="buy", lots=lots, price_ticks=PRICE,
            hold_asset="USD", hold_atoms=lots * PRICE * VALUE, key=key, digest=key,
        )  # fmt: skip
        (answer,) = await place(self.connection, [order], 10_000)
        assert isinstance(answer, Placed)

    async def rich(self) -> int:
        user_id = await create_user(self.connection, NewUser(username="ada", password_hash="-"))
        assert user_id is not None
        request = TransferRequest(
            kind="deposit", user_id=user_id, asset="USD", amount_atoms=10**14, requested_by=user_id
        )
        await transfer(self.connection, request)
        return user_id


@pytest.fixture
async def pipeline(stack: Settings, tmp_path: Path) -> AsyncIterator[Pipeline]:
    assert await kafka.ensure_topics(stack, (*TOPICS, *CHANGELOGS)) == []
    await seed(stack)
    async with (
        books(stack) as connection,
        venue(tmp_path, Behaviour(latency=0.05, lose_answer=200, double_answer=200, partial=200)) as url,
    ):
        one = Pipeline(stack, tmp_path, url, connection)
        try:
            yield one
        finally:
            one.stop()


@pytest.mark.parametrize(
    ("module", "crash_at"),
    [
        ("settlement.desk", ""),
        ("settlement.desk", "desk.after_intent:2"),
        ("settlement.desk", "desk.after_answer:2"),
        ("settlement.desk", "desk.after_tell:2"),
        ("settlement", "journal.before_produce:3"),
        ("wallet", "sink.after_apply:4"),
    ],
)
async def test_each_batch_is_bought_once_whoever_is_killed(pipeline: Pipeline, module: str, crash_at: str) -> None:
    for name in ("matching", "wallet", "settlement", "settlement.desk"):
        pipeline.start(name, crash_at=crash_at if name == module else "")
    await pipeline.journal()
    await pipeline.until("select count(*) from commands where state = 'pending'")
    ada = await pipeline.rich()
    for number in range(20):
        await pipeline.buy(ada, 6_000 if number % 7 == 0 else 1_250, f"k{number}")
    await pipeline.buy(ada, 1_000, "k-last")
    await pipeline.journal()
    await pipeline.until(
        "select (select count(*) from orders where not is_done) <> 2 "  # 17 small ones: 4 whole windows, and two wait
        "or (select count(*) from batches where state = 'closed') > 0 or (select count(*) from batches) <> 8"
    )
    assert pipeline.killed == ([module] if crash_at else [])
    assert await differences(pipeline.connection) == []
    async with ClientSession() as session, session.get(f"{pipeline.url}/bought") as answer:
        bought = {one["batch_id"] for one in await answer.json()}
    rows = await pipeline.connection.fetch("select id, state, filled_atoms from batches")
    assert bought == {row["id"] for row in rows if row["state"] == "filled"}
    delivered = await pipeline.connection.fetchval(
        "select sum(amount) from postings where account in ('wallet', 'inventory') and asset = 'ABAN'"
    )
    assert delivered == sum(row["filled_atoms"] or 0 for row in rows)
