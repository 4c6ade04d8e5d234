import dataclasses
from pathlib import Path

import pytest

from ledger.backup import backup, restore
from ledger.connection import books
from ledger.replay.behind import require_recovered
from ledger.replay.recovering import recover
from runtime import kafka
from runtime.embedded.program import Broken
from runtime.settings import Settings
from schemas.topics import CHANGELOGS, TOPICS
from tests.conftest import drop_schema
from tests.ledger.replay.exchange import exchange


async def test_books_of_before_are_refused_until_they_are_recovered(stack: Settings, tmp_path: Path) -> None:
    file = tmp_path / "books.backup"
    async with exchange(stack, tmp_path) as floor:
        await floor.join(2)
        await floor.quiet()
        await require_recovered(stack)
        await backup(stack, file)
        await floor.move("deposit", floor.users[0], "USD", 7)
        await floor.quiet()
        floor.kill()
    await require_recovered(stack)
    kept = await restore(stack, file, aside=True)
    try:
        with pytest.raises(Broken, match=r"older than the topics: entry \d+ is not in them.*tidemark recover books"):
            await require_recovered(stack)
        await recover(stack)
        await require_recovered(stack)
        async with books(stack) as connection:
            await connection.execute("delete from commands where id = (select max(id) from commands)")
        with pytest.raises(Broken, match=r"older than the topics: command \d+ of"):
            await require_recovered(stack)
        await restore(stack, file, aside=True)
        await recover(stack)
    finally:
        async with books(stack) as connection:
            names = await connection.fetch(
                "select nspname from pg_namespace where nspname like $1", f"{stack.namespace}_%"
            )
        for row in names:
            await drop_schema(dataclasses.replace(stack, namespace=row["nspname"]))
    assert kept is not None


async def test_an_exchange_that_never_began_is_not_behind(stack: Settings) -> None:
    assert await kafka.ensure_topics(stack, (*TOPICS, *CHANGELOGS)) == []
    await require_recovered(stack)
