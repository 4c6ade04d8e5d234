import asyncio

import asyncpg
import pytest

from ledger.hold_batch import HoldBatcher
from ledger.hold_rules import Placed, Refused
from tests.ledger.orders import buy, open_market, rich_user


@pytest.fixture
async def ada(in_postgres) -> int:
    await open_market(in_postgres)
    return await rich_user(in_postgres, "ada", 10_000)


@pytest.fixture
async def batcher(pool):
    one = HoldBatcher(pool, max_open_orders=1000, largest=50)
    yield one
    await one.close()


async def transactions_of_holds(connection) -> int:
    """How many transactions wrote the orders that are there."""
    return await connection.fetchval("select count(distinct xmin::text) from orders")


async def test_one_order_goes_at_once_and_alone(batcher, connection, ada):
    assert await batcher.place(buy(ada, "a")) == Placed(1, 2)
    assert await batcher.place(buy(ada, "b")) == Placed(2, 3)
    assert await transactions_of_holds(connection) == 2


async def test_orders_that_come_at_once_share_transactions(batcher, connection, ada):
    answers = await asyncio.gather(*(batcher.place(buy(ada, f"k{n}", 1)) for n in range(120)))
    assert [type(answer) for answer in answers] == [Placed] * 120
    assert len({answer.order_id for answer in answers}) == 120
    assert await transactions_of_holds(connection) <= 5


async def test_one_that_cannot_be_paid_is_refused_alone(batcher, ada):
    answers = await asyncio.gather(*(batcher.place(buy(ada, f"k{n}", 10_001 if n == 5 else 1)) for n in range(20)))
    assert [n for n, answer in enumerate(answers) if answer is Refused.INSUFFICIENT_FUNDS] == [5]
    assert sum(isinstance(answer, Placed) for answer in answers) == 19


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"lots": 2**63}, asyncpg.DataError),
        ({"side": "up"}, asyncpg.CheckViolationError),
        ({"market": "NONE-USD"}, LookupError),
    ],
)
async def test_one_that_the_books_cannot_take_fails_alone(batcher, connection, ada, changes, error):
    orders = [buy(ada, f"k{n}", 1, **(changes if n == 13 else {})) for n in range(40)]
    answers = await asyncio.gather(*map(batcher.place, orders), return_exceptions=True)
    assert [n for n, answer in enumerate(answers) if not isinstance(answer, Placed)] == [13]
    assert isinstance(answers[13], error)
    assert await connection.fetchval("select count(*) from orders") == 39


async def test_a_batch_that_raises_fails_all_who_wait_for_it_at_once(pool, connection, ada):
    """The table is gone for a moment: nobody is left hanging, and the next ones are served again."""
    batcher = HoldBatcher(pool, max_open_orders=1000)
    await connection.execute("alter table orders rename to away")
    answers = await asyncio.gather(*(batcher.place(buy(ada, f"k{n}", 1)) for n in range(30)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [asyncpg.UndefinedTableError] * 30
    await connection.execute("alter table away rename to orders")
    assert isinstance(await batcher.place(buy(ada, "again", 1)), Placed)


async def test_who_hangs_up_before_his_turn_has_no_order(pool, connection, ada):
    batcher = HoldBatcher(pool, max_open_orders=1000, lanes=1)
    first = asyncio.create_task(batcher.place(buy(ada, "first", 1)))
    await asyncio.sleep(0)
    second = asyncio.create_task(batcher.place(buy(ada, "second", 1)))
    await asyncio.sleep(0)
    second.cancel()
    assert isinstance(await first, Placed)
    await batcher.close()
    assert [row["client_order_id"] for row in await connection.fetch("select client_order_id from orders")] == ["first"]


async def test_close_waits_for_what_was_asked_before(pool, connection, ada):
    batcher = HoldBatcher(pool, max_open_orders=1000)
    asked = [asyncio.create_task(batcher.place(buy(ada, f"k{n}", 1))) for n in range(10)]
    await asyncio.sleep(0)
    await batcher.close()
    assert all(task.done() for task in asked)
    assert await connection.fetchval("select count(*) from orders") == 10
