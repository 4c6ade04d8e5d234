"""The tables of the books in memory, their transactions and sequences, and the three ways in which money is written."""

import contextlib
import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Iterator
from operator import attrgetter

from ledger.accounts import HOME_CURRENCY
from ledger.postings import Posting
from tests.ledger.memory import rows
from tests.ledger.memory.table import Table, Undo, all_or_nothing


class Tables:
    """All tables. `clock` is the server's: it says when a command is due to be sent again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        undo: list[Undo] = []
        by_id = attrgetter("id")
        self._undo = undo
        self.users: Table[rows.User] = Table("users", by_id, undo)
        self.currencies: Table[rows.Currency] = Table("currencies", attrgetter("code"), undo)
        self.markets: Table[rows.Market] = Table("markets", attrgetter("symbol"), undo)
        self.wallets: Table[rows.Wallet] = Table("wallets", attrgetter("user_id", "asset"), undo)
        self.system_accounts: Table[rows.SystemAccount] = Table(
            "system_accounts", attrgetter("account", "market", "asset"), undo
        )
        self.transfers: Table[rows.Transfer] = Table("transfers", by_id, undo)
        self.postings: Table[rows.Posting] = Table("postings", by_id, undo)
        self.idempotency_keys: Table[rows.Key] = Table("idempotency_keys", attrgetter("user_id", "key"), undo)
        self.request_signatures: Table[rows.Signature] = Table("request_signatures", attrgetter("signature"), undo)
        self.outbox: Table[rows.Told] = Table("outbox", by_id, undo)
        self.orders: Table[rows.Order] = Table("orders", by_id, undo)
        self.commands: Table[rows.Command] = Table("commands", by_id, undo)
        self.trades: Table[rows.Trade] = Table("trades", attrgetter("market", "trade_seq"), undo)
        self.batches: Table[rows.Batch] = Table("batches", by_id, undo)
        self.watermarks: Table[rows.Watermark] = Table(
            "watermarks", attrgetter("consumer", "topic", "partition", "market"), undo
        )
        self.clock = clock
        self.committed: Callable[[str], None] = lambda what: None
        self._ids: Counter[str] = Counter()
        self._next_send: dict[int, float] = {}
        self.currencies.put(rows.Currency(code=HOME_CURRENCY, name="US dollar", scale=8))

    @contextlib.contextmanager
    def transaction(self, what: str) -> Iterator[None]:
        with all_or_nothing(self._undo):
            yield
        self.committed(what)

    def _next(self, sequence: str) -> int:
        """As in PostgreSQL, a number that a failed transaction took is gone."""
        self._ids[sequence] += 1
        return self._ids[sequence]

    def _post(self, transfer_id: int, leg: Posting) -> None:
        self.postings.add(rows.Posting(id=self._next("postings"), transfer_id=transfer_id, **leg._asdict()))

    def _move(self, user_id: int, asset: str, *, available: int = 0, held: int = 0, pending: int = 0) -> None:
        wallet = self.wallets.get((user_id, asset)) or rows.Wallet(user_id=user_id, asset=asset)
        self.wallets.put(
            dataclasses.replace(
                wallet, available=wallet.available + available, held=wallet.held + held,
                pending=wallet.pending + pending,
            )
        )  # fmt: skip

    def _book(self, account: str, market: str, asset: str, amount: int) -> None:
        row = self.system_accounts.get((account, market, asset))
        row = row or rows.SystemAccount(account=account, market=market, asset=asset)
        self.system_accounts.put(dataclasses.replace(row, balance=row.balance + amount))
