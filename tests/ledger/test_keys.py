"""Keys of what is neither an order nor a transfer: one name space per user, each for one body."""

import asyncpg
import pytest

from ledger.keys import Key, former_use, keep
from ledger.transfer_rules import FormerUse, Refused, TransferRequest
from ledger.transfers import transfer

pytestmark = pytest.mark.tampers  # a key is kept here without the command that it names


async def test_a_key_is_what_it_was_kept_for(connection, ada):
    key = Key(ada, "less", "body")
    assert await former_use(connection, key) is None
    await keep(connection, key, "command", 7)
    assert await former_use(connection, Key(ada, "less", "another body")) == FormerUse(
        subject="command", subject_id=7, digest="body"
    )
    assert await former_use(connection, Key(ada + 1, "less", "body")) is None, "another user's names are his own"


async def test_a_key_is_kept_once(connection, ada):
    await keep(connection, Key(ada, "less", "body"), "command", 7)
    with pytest.raises(asyncpg.UniqueViolationError):
        await keep(connection, Key(ada, "less", "body"), "command", 8)


async def test_a_transfer_under_the_key_of_a_command_is_a_conflict(connection, ada):
    await keep(connection, Key(ada, "less", "body"), "command", 7)
    request = TransferRequest(
        kind="deposit", user_id=ada, asset="USD", amount_atoms=1, requested_by=ada, key="less", digest="body"
    )
    assert await transfer(connection, request) is Refused.IDEMPOTENCY_CONFLICT
