"""What became of a command: the answer to every "unknown"."""

from api.call import Call
from api.routing import Policy, Routes
from ledger import reads
from schemas.bodies.commands import Command
from schemas.bodies.markets import JournalPlace
from schemas.errors import NOT_FOUND, not_found

routes = Routes("commands")


@routes.get(r"commands/{command_id:\d{1,19}}", Policy.READ, answer=Command, refusals=(NOT_FOUND,))
async def one(call: Call) -> Command:
    """One of the caller's commands: pending, or decided with its outcome and its place in the journal."""
    async with call.services.database.connection() as connection:
        row = await reads.command(connection, call.user.id, call.number("command_id", "command"))
    if row is None:
        raise not_found("command")
    return Command.model_construct(
        id=row.id,
        kind=row.kind,
        state=row.state,
        outcome=row.outcome,
        order_id=row.order_id,
        journal=place(row.journal_partition, row.journal_offset),
    )


def place(partition: int | None, offset: int | None) -> JournalPlace | None:
    """Where the journal decided, once it has."""
    if partition is None or offset is None:
        return None
    return JournalPlace(partition=partition, offset=offset)
