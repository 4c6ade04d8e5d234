from pathlib import Path

import pytest

from ledger.replay.at_offset import NoSuchOffset, balances_at
from runtime.journal.reader import Reader
from runtime.settings import Settings
from schemas.topics import COMMANDS
from tests.ledger.replay.exchange import Exchange, exchange

WALLETS = "select user_id, asset, available, held, pending from wallets where available + held + pending <> 0"


async def wallets(floor: Exchange) -> dict[tuple[int, str], tuple[int, int, int]]:
    return {(row[0], row[1]): tuple(row)[2:] for row in await floor.connection.fetch(WALLETS)}


async def last_offset(floor: Exchange, partition: int) -> int:
    topic = floor.settings.topic(COMMANDS.name)
    return (await Reader(floor.settings, "test").bounds(topic, [partition]))[partition][1] - 1


async def made_again(floor: Exchange, partition: int, offset: int) -> dict[tuple[int, str], tuple[int, int, int]]:
    found = (await balances_at(floor.settings, partition, offset)).wallets
    everything = {key: (one.available, one.held, one.pending) for key, one in found.items()}
    return {key: amounts for key, amounts in everything.items() if any(amounts)}


async def test_wallets_are_as_they_were_whatever_came_later(stack: Settings, tmp_path: Path) -> None:
    async with exchange(stack, tmp_path) as floor:
        await floor.join(3)
        await floor.trade(30)
        partition = await floor.connection.fetchval("select partition from markets where symbol = 'BTC-USD'")
        seen = []
        for _ in range(2):
            await floor.order("BTC-USD")
            await floor.quiet()
            seen.append((await last_offset(floor, partition), await wallets(floor)))
            await floor.join(1)
            await floor.trade(20)
        for offset, then in seen:
            assert await made_again(floor, partition, offset) == then
        assert seen[0][1] != seen[1][1] != await wallets(floor)
        end = await last_offset(floor, partition)
        with pytest.raises(NoSuchOffset, match=f"has the offsets 0 to {end}, and no {end + 1}"):
            await balances_at(stack, partition, end + 1)
