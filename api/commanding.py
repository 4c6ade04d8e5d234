"""Commands on their way: written as a row, sent in order on one producer, and waited for within a bound."""

import dataclasses
from collections.abc import Mapping, Sequence

import asyncpg

from api import idempotency
from api.call import Call
from api.database import written
from api.journal import JournalAway, JournalSilent
from api.relay import replying
from ledger import commands, keys
from ledger.commands import JournalRecord
from ledger.keys import Key
from ledger.orders import Order, Verdict, verdict
from runtime.crashpoints import crashpoint
from schemas.errors import UNAVAILABLE, Refusal, unknown


@dataclasses.dataclass(frozen=True, slots=True)
class Given:
    """A command on its way; the verdict is None when it was not known in time."""

    command_id: int
    verdict: Verdict | None

    @property
    def outcome(self) -> str | None:
        return None if self.verdict is None else self.verdict.outcome


def require_journal(call: Call) -> None:
    """Asked before anything is written: without Kafka nothing can be decided."""
    if not call.services.journal.is_there:
        raise Refusal(UNAVAILABLE, "Kafka is away for the moment; nothing was done, try again.", retry_after_s=1)


async def send(call: Call, records: Sequence[JournalRecord], awaited: int, wait_s: float) -> bool:
    """Sends the records in this order, and says whether the awaited command was decided in time."""
    with call.services.outcomes.expect(awaited) as expected:
        try:
            await call.services.journal.append(records)
        except (JournalAway, JournalSilent):
            raise unknown(awaited) from None
        crashpoint("api.after_produce")
        return wait_s > 0 and await expected.within(wait_s)


async def give(
    call: Call,
    market: str,
    kind: str,
    arguments: Mapping[str, object],
    *,
    order: Order | None = None,
    behind: Sequence[int] = (),
    audited: str | None = None,
    key: Key | None = None,
) -> Given:
    """A command that places no order; one about an order is given in its owner's name.

    It goes `behind` the given commands, sent again on the same producer, so that it cannot overtake an order that may
    still be on its way. What an admin does is `audited` under its subject. With a `key`, a rival who was faster with
    it has done the work.
    """
    require_journal(call)
    try:
        async with call.services.database.transaction() as connection:
            row = await commands.add_command(
                connection,
                market,
                kind,
                arguments,
                user_id=call.user.id if order is None else order.user_id,
                order_id=None if order is None else order.id,
            )
            if key is not None:
                await keys.keep(connection, key, "command", row.command_id)
            if audited is not None:
                await call.audit(connection, kind, audited)
    except asyncpg.UniqueViolationError:
        given = None if key is None else await repeated(call, key)
        if given is None:
            raise
        return given
    return await follow(call, row.command_id, behind=behind)


async def repeated(call: Call, key: Key) -> Given | None:
    """What became of the command that this key gave before, waited for as the first one was; None for a new key."""
    database, outcomes = call.services.database, call.services.outcomes
    async with database.connection() as connection:
        former = await keys.former_use(connection, key)
    if former is None:
        return None
    if former.subject != "command" or former.digest != key.digest:
        raise idempotency.conflict(idempotency.HEADER)
    with written(former.subject_id), outcomes.expect(former.subject_id) as expected:
        given = await _given(call, former.subject_id)
        if given.verdict is None and await expected.within(call.services.settings.order_wait_ms / 1000):
            given = await _given(call, former.subject_id)
    return given


async def follow(call: Call, command_id: int, *, behind: Sequence[int] = ()) -> Given:
    """Sends a command that is in the books, and waits for what becomes of it."""
    services = call.services
    with written(command_id):
        async with services.database.connection() as connection:
            rows = await commands.journal_records(connection, [*behind, command_id])
        records = [replying(record, services.outcomes.reply) for record in rows]
        records.sort(key=lambda record: record.command.command_id)  # an order's command is older than what follows it
        is_decided = await send(call, records, command_id, services.settings.order_wait_ms / 1000)
        if not is_decided:
            return Given(command_id, None)
        return await _given(call, command_id)


async def _given(call: Call, command_id: int) -> Given:
    async with call.services.database.connection() as connection:
        return Given(command_id, await verdict(connection, command_id))
