"""The proof that ends every test on the real servers: its books agree with themselves to the atom."""

import pytest

from ledger.connection import books
from ledger.reconcile import differences
from runtime.settings import Settings


async def books_are_right(settings: Settings, test: pytest.Item | pytest.Collector) -> None:
    """Unless the test, or its file, is marked as one that tampers."""
    if test.get_closest_marker("tampers") is not None:
        return
    async with books(settings) as connection:
        wrong = await differences(connection)
    assert not wrong, "the books are wrong after it:\n" + "\n".join(map(str, wrong))
