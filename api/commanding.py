"""Commands on their way: written as a row, sent in order on one producer, and waited for within a bound."""

import dataclasses
from collections.abc import Mapping, Sequence

from api.call import Call
from api.journal import JournalAway, JournalSilent
from api.relay import replying
from ledger import commands
from ledger.commands import JournalRecord
from ledger.orders import Verdict, verdict
from runtime.crashpoints import crashpoint
from schemas.errors import UNAVAILABLE, Refusal


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
    order_id: int | None = None,
    behind: Sequence[int] = (),
    audited: str | None = None,
) -> Given:
    """A command that places no order. It goes `behind` the given commands, sent again on the same producer, so that
    it cannot overtake an order that may still be on its way. What an admin does is `audited` under its subject."""
    require_journal(call)
    async with call.services.database.transaction() as connection:
        row = await commands.add_command(connection, market, kind, arguments, user_id=call.user.id, order_id=order_id)
        if audited is not None:
            await call.audit(connection, kind, audited)
    return await follow(call, row.command_id, behind=behind)


async def follow(call: Call, command_id: int, *, behind: Sequence[int] = ()) -> Given:
    """Sends a command that is in the books, and waits for what becomes of it."""
    services = call.services
    async with services.database.connection() as connection:
        rows = await commands.journal_records(connection, [*behind, command_id])
    records = [replying(record, services.outcomes.reply) for record in rows]
    records.sort(key=lambda record: record.command.command_id)  # an order's command is older than what follows it
    is_decided = await send(call, records, command_id, services.settings.order_wait_ms / 1000)
    if not is_decided:
        return Given(command_id, None)
    async with services.database.connection() as connection:
        return Given(command_id, await verdict(connection, command_id))


def unknown(command_id: int) -> Refusal:
    """The command is in the books and will be sent until it is decided; only its outcome is not known now."""
    return Refusal(
        UNAVAILABLE,
        "The journal did not answer in time; the command is kept and will be decided, ask for it by its command_id.",
        retry_after_s=1,
        beside={"outcome": "unknown", "command_id": command_id},
    )
