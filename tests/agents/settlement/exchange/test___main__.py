"""The exchange as a process: its options come from the settings and the command line, its memory from the disk."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

from agents.settlement.connectors.connector import Refused, Unknown
from agents.settlement.connectors.simulated import SimulatedExchange
from runtime.embedded.home import free_port
from runtime.settings import PROJECT_ROOT
from tests.agents.settlement.exchange.test_app import WHOLE, request

WITHIN_S = 60


@contextlib.asynccontextmanager
async def running(home: Path, options: str, *more: str) -> AsyncIterator[SimulatedExchange]:
    port = free_port(taken=set())
    config = home / "config.env"
    config.write_text(f"TIDEMARK_EXCHANGE_OPTIONS={options}\n")
    environ = {**os.environ, "TIDEMARK_HOME": str(home), "TIDEMARK_CONFIG": str(config)}
    command = [sys.executable, "-m", "agents.settlement.exchange", "--port", str(port), *more]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=PROJECT_ROOT, env=environ, stderr=asyncio.subprocess.DEVNULL
    )
    connector = SimulatedExchange(f"http://127.0.0.1:{port}")
    try:
        await until_there(connector)
        yield connector
    finally:
        await connector.close()
        process.kill()
        await process.wait()


async def until_there(connector: SimulatedExchange) -> None:
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        with contextlib.suppress(Unknown):
            await connector.clock_ms()
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the exchange did not start")


async def test_options_of_the_settings_hold_unless_the_command_line_says_otherwise(tmp_path: Path) -> None:
    async with running(tmp_path, "--latency 0 --fail 1000") as connector:
        assert await connector.buy_from_exchange(request()) == Refused("no liquidity")
    async with running(tmp_path, "--latency 0 --fail 1000", "--fail", "0") as connector:
        assert await connector.ask(request()) == Refused("no liquidity"), "it was killed, and remembers"
        bought = await connector.buy_from_exchange(request("ABAN-USD-2"))
        assert bought == WHOLE._replace(exchange_order_id="2")
