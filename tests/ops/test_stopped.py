import dataclasses
import re

import pytest

from ledger.connection import books
from ops.recover import _recover
from ops.stopped import require_stopped
from runtime import postgres
from runtime.embedded.program import Broken
from runtime.settings import Settings
from tests.ops.conftest import Verb


async def test_while_a_process_has_the_books_open_none_are_put_in_their_place(
    database: Settings, verb: Verb, tmp_path
) -> None:
    file = tmp_path / "books.backup"
    assert (await verb("backup", "make", file)).code == 0
    async with await postgres.pool(database, min_size=1, max_size=1, application="api"):
        said = await verb("backup", "restore", file, "--aside")
        assert (said.code, said.out) == (1, "")
        assert said.err == (
            "tidemark: The exchange is running on these books (api): stop it, start the servers alone with "
            "`tidemark up --servers-only`, and try again.\n"
        )
        async with books(database) as connection:
            assert await connection.fetchval("select count(*) from migrations") > 0


async def test_while_a_process_has_the_books_open_none_are_recovered(stack: Settings) -> None:
    async with await postgres.pool(stack, min_size=1, max_size=1, application="desk"):
        with pytest.raises(Broken, match=re.escape("The exchange is running on these books (desk)")):
            await _recover(stack)


async def test_an_exchange_in_another_name_space_is_in_nobodys_way(database: Settings) -> None:
    elsewhere = dataclasses.replace(database, namespace=f"{database.namespace}x")
    async with await postgres.pool(elsewhere, min_size=1, max_size=1, application="wallet"):
        await require_stopped(database)
        with pytest.raises(Broken, match="wallet"):
            await require_stopped(elsewhere)
