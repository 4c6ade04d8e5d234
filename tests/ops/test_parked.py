"""`tidemark parked`: what matching put aside is listed with its reason; what is pending among it gets another try."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from ledger.connection import books
from ledger.seed import seed
from ops.commanding import append, decided
from runtime import kafka
from runtime.journal.reader import Reader
from runtime.settings import Settings
from schemas.topics import CHANGELOGS, COMMANDS, PARKED, TOPICS
from tests.ops.conftest import Said, Verb

SYMBOL = "BTC-USD"
FIELDS = ("offset", "reason", "command_id", "state", "outcome")


def told(said: Said) -> list[dict[str, Any]]:
    assert said.err == ""
    found: list[dict[str, Any]] = json.loads(said.out)
    return found


async def parked(settings: Settings, partition: int, count: int) -> None:
    """Waits until matching has put so many records aside."""
    deadline, reader = time.monotonic() + 120, Reader(settings, "test")
    while (await reader.bounds(settings.topic(PARKED.name), [partition]))[partition][1] < count:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


async def test_a_command_that_came_before_its_market_was_open_gets_another_try(
    stack: Settings, verb: Verb, agent: Callable[[str, int], None]
) -> None:
    await kafka.ensure_topics(stack, (*TOPICS, *CHANGELOGS))
    await seed(stack)
    async with books(stack) as connection:
        partition = await connection.fetchval("select partition from markets where symbol = $1", SYMBOL)
        rows = await connection.fetch("select id, kind from commands where market = $1", SYMBOL)
        ids = {row["kind"]: row["id"] for row in rows}
        await append(stack, connection, [ids["list_price"]])
        async with kafka.running(kafka.producer(stack, name="test")) as producer:
            await producer.send_and_wait(stack.topic(COMMANDS.name), b"nonsense", SYMBOL.encode(), partition)
        agent("matching", 0)
        agent("wallet", 0)
        await parked(stack, partition, 2)

        rows_told = told(await verb("parked", "list", "--json"))
        shut = f"market 'BTC-USD' is not open in partition {partition}"
        assert [tuple(row[name] for name in FIELDS) for row in rows_told] == [
            (0, shut, ids["list_price"], "pending", None),
            (1, "JSON is malformed: invalid character (byte 4)", None, None, None),
        ]
        again = await verb("parked", "retry", f"{partition}/0", "--json", "--wait", "2")
        assert (again.code, [row["state"] for row in told(again)], told(again)[0]["outcome"]) == (1, ["parked"], shut)
        assert "is no command of the books" in (await verb("parked", "retry", f"{partition}/1")).err

        await append(stack, connection, [ids["open_market"]])
        assert await decided(connection, ids["open_market"], 120) is not None
        done = await verb("parked", "retry", "--all", "--wait", "55")
        where = f"command {ids['list_price']}, sent again to partition {partition}, offset 4: price_listed.\n"
        assert (done.code, done.out) == (0, where)
        assert (await verb("parked", "retry", "--all")).out == "No parked command is pending.\n"
        late = await verb("parked", "retry", f"{partition}/0")
        words = f"Command {ids['list_price']}, parked at {partition}/0, was decided meanwhile: price_listed."
        assert (late.code, late.err) == (2, f"tidemark: {words}\n")
        assert [row["state"] for row in told(await verb("parked", "list", "--json"))] == ["decided", None, "decided"]
        assert (await verb("parked", "list", "--waiting")).out == "None of 3 parked records is waiting.\n"
        person = (await verb("parked", "list", "--limit", "1")).out.splitlines()
        assert person[0].endswith(f"{shut}; command {ids['list_price']}, decided meanwhile: price_listed")
        assert person[1] == "... and 2 older ones (--limit)."


async def test_nothing_parked_is_said_and_nothing_there_is_refused(stack: Settings, verb: Verb) -> None:
    await kafka.ensure_topics(stack, (PARKED,))
    assert (await verb("parked", "list")).out == "Nothing is parked.\n"
    assert told(await verb("parked", "list", "--waiting", "--json")) == []
    said = await verb("parked", "retry", "0/7")
    words = "Nothing was parked at 0/7: `tidemark parked list` shows what was."
    assert (said.code, said.out, said.err) == (2, "", f"tidemark: {words}\n")
