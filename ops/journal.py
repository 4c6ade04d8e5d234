"""The way of the verbs to the journal: where a market's records are, and every failure as a sentence."""

import contextlib
from collections.abc import Iterator

from runtime.embedded.program import Broken, NotReady
from runtime.settings import Settings


@contextlib.contextmanager
def in_sentences() -> Iterator[None]:
    """What ends a process of the journal is told to an operator like any other fault."""
    from runtime.journal import errors

    try:
        yield
    except (errors.Unwell, errors.Broken) as error:
        raise Broken(f"{error}.") from error


async def require_kafka(settings: Settings) -> None:
    """A broker that is away is told in a sentence; the client library would tell it in a trace."""
    from runtime.embedded.knock import knock_kafka

    try:
        await knock_kafka(settings)
    except NotReady as reason:
        raise Broken(f"Kafka does not answer at {settings.kafka_bootstrap} ({reason}): start it first.") from reason


async def partition_of(settings: Settings, market: str, given: int | None = None) -> int:
    """The books know it; without the books it has to be given."""
    from runtime.journal.errors import Refused

    if given is not None:
        if not 0 <= given < settings.kafka_partitions:
            raise Refused(f"There is no partition {given}: they go from 0 to {settings.kafka_partitions - 1}.")
        return given
    try:
        return await listed_partition(settings, market)
    except Broken as error:
        raise Broken(f"{error} Or name the market's --partition.") from error


async def listed_partition(settings: Settings, market: str) -> int:
    """As the books have it."""
    import asyncpg

    from ledger.connection import books
    from ledger.listings import partition_of as listed
    from runtime.journal.errors import Refused

    try:
        async with books(settings) as connection:
            found = await listed(connection, market)
    except asyncpg.UndefinedTableError as error:
        raise Broken("The books have no tables yet: run `tidemark migrate`.") from error
    if found is None:
        raise Refused(f"There is no market {market}: `tidemark shell` or GET markets lists them.")
    return found
