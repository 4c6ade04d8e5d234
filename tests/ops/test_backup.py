import dataclasses
import json
import re

import pytest

from api.database import Database
from api.preparation import Preparation
from ledger.accounts import NewUser, create_user
from ledger.connection import books
from ledger.migrate import read_migrations
from ledger.restores import UNRECOVERED
from ops.plan import Planner
from runtime import kafka, postgres
from runtime.embedded.home import Home
from runtime.embedded.program import Broken
from schemas.topics import CHANGELOGS, TOPICS
from tests.conftest import drop_schema

PARTITIONS = {"KAFKA_PARTITIONS": "4"}


@pytest.fixture
async def backup(stack, verb, tmp_path):
    """Of the demo data; a user came after it, whom no topic knows."""
    assert await kafka.ensure_topics(stack, (*TOPICS, *CHANGELOGS)) == []
    await verb("seed")
    file = tmp_path / "books of today.backup"
    said = await verb("backup", "make", file)
    assert (said.code, said.err) == (0, "")
    assert re.fullmatch(rf"{re.escape(str(file))}: [0-9,]+ bytes in [0-9.]+ s\.\n", said.out)
    assert file.stat().st_mode & 0o077 == 0
    async with books(stack) as connection:
        await create_user(connection, NewUser(username="later"))
    return file


async def users(settings) -> list[str]:
    async with books(settings) as connection:
        return [row["username"] for row in await connection.fetch("select username from users order by id")]


async def test_a_backup_is_restored_and_what_was_there_is_kept(verb, backup, stack):
    refused = await verb("backup", "restore", backup)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err == (
        f"tidemark: There are books in the schema {stack.namespace}: --aside keeps them under another name.\n"
    )
    said = await verb("backup", "restore", backup, "--aside", "--json")
    assert said.code == 0, said.err
    kept = dataclasses.replace(stack, namespace=json.loads(said.out)["kept"])
    try:
        assert await users(stack) == ["admin"]
        assert await users(kept) == ["admin", "later"]
    finally:
        await drop_schema(kept)
    recovered = await verb("recover", "books", "--json", **PARTITIONS)
    assert recovered.code == 0, recovered.err
    assert json.loads(recovered.out) | {"seconds": 0} == {"ok": True, "records": 0, "rows": {}, "seconds": 0}


async def test_nothing_starts_on_restored_books_before_they_are_recovered(verb, backup, stack, tmp_path):
    start = Planner(stack, Home(tmp_path), print)
    async with await postgres.pool(stack, max_size=1, application="test") as pool:
        api = Preparation(stack, Database(pool), read_migrations())
        await _require_refusals(start, api, verb, backup, stack)


async def _require_refusals(start, api, verb, backup, stack):
    await start.require_recovered()
    said = await verb("backup", "restore", backup, "--aside", "--json")
    await drop_schema(dataclasses.replace(stack, namespace=json.loads(said.out)["kept"]))
    with pytest.raises(Broken, match=re.escape(UNRECOVERED)):
        await start.require_recovered()
    refused = await verb("migrate")
    assert (refused.code, refused.err) == (1, f"tidemark: {UNRECOVERED}\n")
    assert await api.migrations() == UNRECOVERED
    assert (await verb("recover", "books", **PARTITIONS)).code == 0
    await start.require_recovered()
    assert (await verb("migrate")).code == 0
    assert await api.migrations() is None


async def test_what_is_no_backup_changes_nothing(verb, backup, stack, tmp_path):
    cut = tmp_path / "cut.backup"
    cut.write_bytes(backup.read_bytes()[:-2000])
    other = tmp_path / "other"
    other.write_text("{}")
    said = await verb("backup", "restore", other, "--aside")
    assert said.code == 1
    assert said.err == (
        f"tidemark: {other} is no backup: `tidemark backup make` writes them, and `tidemark seed` restores a dump.\n"
    )
    said = await verb("backup", "restore", cut, "--aside")
    assert said.code == 1
    assert "nothing was changed" in said.err
    assert await users(stack) == ["admin", "later"]


async def test_only_books_of_this_name_space_are_restored(verb, backup, stack):
    elsewhere = dataclasses.replace(stack, namespace=f"{stack.namespace}x")
    said = await verb("backup", "restore", backup, TIDEMARK_NAMESPACE=elsewhere.namespace)
    assert said.code == 1
    assert f"has no books of the schema {elsewhere.namespace}" in said.err
