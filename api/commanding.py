"""Commands on their way: written as a row, sent in order on one producer, and waited for within a bound."""

import dataclasses
from collections.abc import Mapping, Sequence

from api.call import Call
from api.journal import JournalAway, JournalSilent
from api.relay import replying
from ledger import commands
from ledger.commands import JournalRecord
from ledger.orders import outcome
from runtime.crashpoints import crashpoint
from schemas.errors import UNAVAILABLE, Refusal


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a command, if that was known in time: None while it is undecided."""

    command_id: int
    outcome: str | None


def require_journal(call: Call) -> None:
    """Asked before anything is written: without Kafka nothing can be decided."""
    if not call.services.journal.is_there:
        raise Refusal(UNAVAILABLE, "Kafka is away for the moment; nothing was done, try again.", retry_after_s=1)


async def send(call: Call, records: Sequence[JournalRecord], awaited: int, wait_s: float) -> bool:
    """Sends the records in this order, and says whether the awaited command was decided in time."""
    outcomes = call.services.outcomes
    with outcomes.expect(awaited) as expected:
        try:
            await call.services.journal.append([replying(record, outcomes.reply) for record in records])
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
) -> Verdict:
    """A command that places no order. It goes `behind` the given commands, sent again on the same producer, so that
    it cannot overtake an order that may still be on its way."""
    require_journal(call)
    services = call.services
    async with services.database.connection() as connection:
        row = await commands.add_command(connection, market, kind, arguments, user_id=call.user.id, order_id=order_id)
        records = await commands.journal_records(connection, [*behind, row.command_id])
    records.sort(key=lambda record: record.command.command_id)  # an order's command is older than what follows it
    is_decided = await send(call, records, row.command_id, services.settings.order_wait_ms / 1000)
    if not is_decided:
        return Verdict(row.command_id, None)
    async with services.database.connection() as connection:
        return Verdict(row.command_id, await outcome(connection, row.command_id))


def unknown(command_id: int) -> Refusal:
    """The command is in the books and will be sent until it is decided; only its outcome is not known now."""
    return Refusal(
        UNAVAILABLE,
        "The journal did not answer in time; the command is kept and will be decided, ask for it by its command_id.",
        retry_after_s=1,
        beside={"outcome": "unknown", "command_id": command_id},
    )
