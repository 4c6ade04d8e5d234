"""`tidemark market`: an operator's change is a command like any other, decided by the journal, told with its place."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from ledger.connection import books
from ledger.seed import seed
from ops.commanding import append, decided
from runtime import kafka
from runtime.embedded import ask
from runtime.embedded.home import free_port
from runtime.embedded.status import Followed, followed
from runtime.settings import Settings
from schemas.topics import CHANGELOGS, COMMANDS, EXECUTIONS, TOPICS
from tests.ops.conftest import Said, Verb

SYMBOL = "BTC-USD"
LONG = "55"


def told(said: Said) -> dict[str, Any]:
    assert said.err == ""
    found: dict[str, Any] = json.loads(said.out)
    return found


async def seeded(settings: Settings) -> None:
    """The demo's markets, all in the journal."""
    await kafka.ensure_topics(settings, (*TOPICS, *CHANGELOGS))
    await seed(settings)
    async with books(settings) as connection:
        ids = [row["id"] for row in await connection.fetch("select id from commands order by id")]
        await append(settings, connection, ids)


async def followed_to(port: int, wanted: Followed) -> None:
    """Waits until a process says of itself that it is there."""
    deadline = time.monotonic() + 60
    while True:
        status, text = await ask.get(f"127.0.0.1:{port}", "/metrics")
        found = followed(text)
        if status == 200 and wanted in found:
            return
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.1)


async def test_a_market_is_halted_and_resumed_through_its_journal_without_an_api(
    stack: Settings, verb: Verb, agent: Callable[[str, int], None]
) -> None:
    await seeded(stack)
    ports = {name: free_port(set()) for name in ("matching", "wallet")}
    for name, port in ports.items():
        agent(name, port)
    async with books(stack) as connection:
        last = await connection.fetchval("select max(id) from commands where market = $1", SYMBOL)
        assert await decided(connection, last, 120) is not None
        halt = told(await verb("market", "halt", SYMBOL, "--json", "--wait", LONG))
        command = await connection.fetchrow("select * from commands where id = $1", halt["command_id"])
        assert halt == {
            "market": SYMBOL, "command_id": command["id"], "partition": command["journal_partition"],
            "offset": command["journal_offset"], "outcome": "market_changed", "before": "open", "status": "halted",
        }  # fmt: skip
        only = await verb("market", "cancel-only", SYMBOL, "--wait", LONG)
        place = f"(command {command['id'] + 1}, partition {halt['partition']}, offset {halt['offset'] + 1})"
        assert (only.code, only.out) == (0, f"BTC-USD is cancel_only, it was halted {place}.\n")
        assert told(await verb("market", "resume", SYMBOL, "--json", "--wait", LONG))["status"] == "open"
        log = await connection.fetch(
            "select action, subject, detail->>'status' from audit_log order by id desc limit 3"
        )
        assert [tuple(row) for row in log] == [
            ("change_market", SYMBOL, "open"), ("change_market", SYMBOL, "cancel_only"),
            ("change_market", SYMBOL, "halted"),
        ]  # fmt: skip
        last = json.loads((await verb("book", "show", "--market", SYMBOL, "--json")).out)
    for name, topic in (("matching", COMMANDS), ("wallet", EXECUTIONS)):
        await followed_to(ports[name], Followed(stack.topic(topic.name), last["partition"], last["answered"] + 1, 0))
    proof = await verb("replay", "verify", "--all")
    assert proof.code == 0, proof


async def test_a_change_that_nobody_has_decided_yet_says_so_and_where_it_is(stack: Settings, verb: Verb) -> None:
    await kafka.ensure_topics(stack, (COMMANDS,))
    await seed(stack)
    async with books(stack) as connection:
        await connection.execute("update markets set status = 'open' where symbol = $1", SYMBOL)
    said = await verb("market", "halt", SYMBOL, "--wait", "0")
    assert (said.code, said.err) == (1, "")
    assert said.out.startswith("BTC-USD is still open: the journal has the change (command ")
    assert said.out.endswith("offset 0), and nobody has decided it yet; are matching and wallet up? "
                             "`tidemark status` says.\n")  # fmt: skip


async def test_what_makes_no_sense_is_refused_and_leaves_no_trace(stack: Settings, verb: Verb) -> None:
    await seed(stack)
    opening = await verb("market", "halt", SYMBOL)
    assert (opening.code, opening.err) == (
        2, "tidemark: BTC-USD is opening: it has no status to change yet.\n",
    )  # fmt: skip
    unknown = await verb("market", "resume", "DOGE-USD")
    assert (unknown.code, unknown.out) == (2, "")
    assert unknown.err.startswith("tidemark: There is no market DOGE-USD")
    away = await verb("market", "halt", SYMBOL, KAFKA_BOOTSTRAP="127.0.0.1:1")
    assert (away.code, away.out) == (1, "")
    assert away.err.startswith("tidemark: Kafka does not answer")
    async with books(stack) as connection:
        assert await connection.fetchval("select count(*) from commands where kind = 'change_market'") == 0


async def test_without_the_books_no_option_is_offered_that_there_is_not(stack: Settings, verb: Verb) -> None:
    away = {"POSTGRES_PORT": "9"}
    said = [await verb("market", "halt", SYMBOL, **away), await verb("book", "show", "--market", SYMBOL, **away)]
    assert [one.code for one in said] == [1, 1]
    assert ["--partition" in one.err for one in said] == [False, True]
