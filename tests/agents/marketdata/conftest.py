"""A floor per test: migrated schema, topics, and the agent's processes, which end with it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runtime import kafka
from runtime.settings import Settings
from schemas.topics import EXECUTIONS, TRADES, changelog
from tests.agents.marketdata.floor import Floor


@pytest.fixture
async def floor(stack: Settings, tmp_path: Path) -> AsyncIterator[Floor]:
    await kafka.ensure_topics(stack, (EXECUTIONS, TRADES, changelog("marketdata", "views")))
    floor = Floor(stack, tmp_path)
    try:
        yield floor
    finally:
        await floor.close()
