"""The proof that ends every test on the real servers: its books agree with themselves to the atom."""

from ledger.connection import books
from ledger.reconcile import differences
from runtime.settings import Settings


async def books_are_right(settings: Settings) -> None:
    async with books(settings) as connection:
        assert [str(difference) for difference in await differences(connection)] == []
