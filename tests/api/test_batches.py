"""Batches as admins see them: paged, with the house's account of each."""

import base64
import secrets

import pytest
import pytest_asyncio

pytestmark = pytest.mark.asyncio(loop_scope="module")

BATCH = """
insert into batches (id, market, number, lots, notional_atoms, topped_up_atoms, state, filled_atoms, charged_asset,
                     charged_atoms, exchange_order_id, created_at, closed_at, settled_at)
select $1::text || '-' || n, $1, n, 5000, 1000000000, 200000000, s, f, 'USD', c, x, t, t + interval '1 second', d
from (values (1, 'open', null::bigint, null::bigint, null, timestamptz '2026-01-01T00:00:00.001Z', null::timestamptz),
             (2, 'closed', null, null, null, '2026-01-01T00:00:00.002Z', null),
             (3, 'filled', 50000003, 990000000, 'x-7', '2026-01-01T00:00:00.002Z', '2026-01-01T00:00:09Z'),
             (4, 'failed', 0, null, null, '2026-01-01T00:00:00.003Z', '2026-01-01T00:00:09Z'))
     as b (n, s, f, c, x, t, d)
"""
ATTEMPT = """
insert into batch_attempts (batch_id, exchange, attempts, expires_at, last_error)
values ($1, 'simulated', 3, now(), 'no answer')
"""
PURCHASE = """
insert into orders (user_id, market, kind, side, lots, price_ticks, hold_asset, hold_atoms, held_remaining, state,
                    filled_lots, filled_quote_atoms, is_aggregated, batch_id, batch_line, command_id, client_order_id,
                    body_digest)
select $1, $2::text, 'purchase', 'buy', 2000, 2000, 'USD', 400000000, 0, s, 2000, 400000000, true, $2::text || '-3',
       line, line, k, ''
from (values (1, 'completed', $3::text || 'a'), (2, 'completed', $3::text || 'b'), (3, 'refunded', $3::text || 'c'))
     as o (line, s, k)
returning id
"""
FIELDS = ("id", "state", "attempts", "last_error", "charged", "paid", "gain", "bought", "delivered", "inventory")


@pytest_asyncio.fixture(loop_scope="module")
async def batches(door, admin, market):
    """Four batches of a market of its own, one in each of the ways that a batch goes, and an attempt for the second."""
    user_id = (await admin.get("accounts/me/")).body["id"]
    rows = door.services.database.rows
    await rows(BATCH, market)
    await rows(ATTEMPT, f"{market}-2")
    orders = await rows(PURCHASE, user_id, market, secrets.token_hex(4))
    yield market, [row["id"] for row in orders]
    for table in ("orders", "batches", "batch_attempts"):  # which are in no book
        await rows(f"delete from {table}")


def parts(body):
    return tuple(body[field] for field in FIELDS)


async def test_the_list_is_newest_first_and_tells_the_houses_account(admin, batches):
    market, _ = batches
    assert [parts(body) for body in (await admin.get("exchanges/batches/")).body["results"]] == [
        (f"{market}-4", "failed", 0, None, "0.00", "0.00", "0.00", "0", "0", "0"),
        (f"{market}-3", "filled", 0, None, "9.90", "8.00", "-1.90", "0.50000003", "0.4", "0.10000003"),
        (f"{market}-2", "sending", 3, "no answer", None, None, None, None, None, None),
        (f"{market}-1", "open", 0, None, None, None, None, None, None, None),
    ]


async def test_one_batch_is_told_whole(admin, batches):
    market, orders = batches
    answer = await admin.get(f"exchanges/batches/{market}-3/")
    assert (answer.status, answer.body) == (200, {
        "id": f"{market}-3", "crypto": market.removesuffix("-USD"), "market": market, "amount": "0.5",
        "notional": "10.00", "topped_up": "2.00", "state": "filled", "orders": orders, "attempts": 0,
        "last_error": None, "resolved_by": None, "exchange_order_id": "x-7", "charged": "9.90",
        "charged_asset": "USD", "paid": "8.00", "gain": "-1.90", "bought": "0.50000003", "delivered": "0.4",
        "inventory": "0.10000003", "created_at": "2026-01-01T00:00:00.002Z",
        "closed_at": "2026-01-01T00:00:01.002Z", "settled_at": "2026-01-01T00:00:09.000Z",
    })  # fmt: skip


async def test_pages_join_also_between_batches_of_one_moment(admin, batches):
    whole = (await admin.get("exchanges/batches/")).body
    assert whole["next"] is None
    found, cursor = [], ""
    while cursor is not None:
        answer = (await admin.get(f"exchanges/batches/?limit=1{cursor and f'&cursor={cursor}'}")).body
        found += answer["results"]
        cursor = answer["next"]
    assert found == whole["results"]


@pytest.mark.parametrize(
    "raw", [b"", b"t1" + b"\0" * 7 + b"\1", b"p1" + b"\0" * 7 + b"\1\0", b"p1" + b"\xff" * 8 + b"A"]
)
async def test_a_cursor_of_another_list_is_refused(admin, raw):
    cursor = base64.urlsafe_b64encode(raw + b"x" * (not raw)).decode().rstrip("=")
    answer = await admin.get(f"exchanges/batches/?cursor={cursor}")
    assert (answer.status, answer.body["error"]["code"], answer.body["error"]["field"]) == (
        400, "invalid_field", "cursor")  # fmt: skip


async def test_a_batch_that_is_not_there_is_not_found(admin):
    answer = await admin.get("exchanges/batches/ABAN-USD-77/")
    assert (answer.status, answer.body["error"]["code"]) == (404, "not_found")
