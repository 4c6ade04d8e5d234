"""The private channels of this process: each user's orders and wallet, read from the books after they have changed.

What is told is what the books say now, so it may skip what was only for a moment, and it is never ahead of the money.
"""

import asyncio
import contextlib
import dataclasses
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TypeAlias

import msgspec
import pydantic_core

from api import order_answers, wallet_answers
from api.catalogue import Catalogue, Listing
from api.database import LOST, Database
from api.sockets import frames
from api.sockets.channels import Kind
from api.sockets.hearing import Hearing
from api.sockets.outlet import Outlet, Outlets
from api.sockets.radio import Ear, Radio
from ledger import orders, reads
from ledger.orders import Seen
from schemas.errors import Refusal
from schemas.updates import UPDATES, decode_update

LOOK_S = 1.0
AGAIN_S = 0.2
ORDERS_AT_ONCE = 500
MOST_FILLS = 100
"""So many fills, the newest, are told with an order; all are to be had over HTTP."""
AWAY: tuple[type[Exception], ...] = (*LOST, Refusal)
PENDING = "pending"
State: TypeAlias = tuple[str, int | None]
"""An order's state, and the execution that changed it last: another one, and there is something to tell."""
log = logging.getLogger("api")


@dataclasses.dataclass(slots=True)
class Account:
    """A user who listens here. `live` are his orders that are not done, as he knows them; `newest` is his last one."""

    listeners: dict[Kind, dict[Outlet, None]] = dataclasses.field(default_factory=lambda: defaultdict(dict))
    live: dict[int, State] = dataclasses.field(default_factory=dict)
    newest: int = 0
    wallet: bytes = b""
    joining: int = 0


class Accounts:
    """Users come with their first private channel and go with their last."""

    def __init__(self, radio: Radio, database: Database, catalogue: Catalogue, outlets: Outlets) -> None:
        self._radio = radio
        self._database = database
        self._catalogue = catalogue
        self._outlets = outlets
        self._accounts: dict[int, Account] = {}
        self._hearing = Hearing()
        self._touched: dict[int, set[int]] = defaultdict(set)
        self._doubtful: set[int] = set()
        self._wake = asyncio.Event()

    async def join(self, outlet: Outlet, user_id: int, kind: Kind) -> None:
        """From now on he is told: what he is told of first is compared with what the books say before."""
        account = self._enter(user_id)
        account.joining += 1
        try:
            async with self._database.connection() as connection:
                newest = await orders.newest(connection, user_id)
                live = await orders.live(connection, [user_id])
                rows = (await reads.wallets(connection, [user_id])).get(user_id, ())
            value = _wallet(rows, await self._catalogue.recent())
            if kind is Kind.ORDERS and not account.listeners[kind]:
                account.newest, account.live = newest, {row.id: (row.state, row.seq) for row in live}
            if kind is Kind.WALLET and not account.listeners[kind]:
                account.wallet = value
            account.listeners[kind][outlet] = None
            self._doubtful.add(user_id)  # a word of what came meanwhile found nobody to tell it to
            self._wake.set()
        finally:
            account.joining -= 1
            self._close_empty(user_id, account)

    def leave(self, outlet: Outlet, user_id: int, kind: Kind) -> None:
        account = self._accounts[user_id]
        account.listeners[kind].pop(outlet, None)
        self._close_empty(user_id, account)

    async def tend(self) -> None:
        """For ever: tells what was touched, and looks at everything when something may have been missed."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
            self._wake.clear()
            self._hearing.rest(_now())
            touched, self._touched = self._touched, defaultdict(set)
            doubtful, self._doubtful = self._doubtful & self._accounts.keys(), set()
            if not self._hearing.is_whole:
                self._hearing.is_whole, doubtful = True, set(self._accounts)
            try:
                await self._look(doubtful, touched)
                await self._tell(touched)
            except AWAY as error:
                log.info("sockets: the books are away: %s", type(error).__name__)
                self._hearing.is_whole = False
                await asyncio.sleep(AGAIN_S)

    def _enter(self, user_id: int) -> Account:
        if not self._accounts:
            self._radio.tune(UPDATES, Ear(self._hear, self._miss))
        return self._accounts.setdefault(user_id, Account())

    def _close_empty(self, user_id: int, account: Account) -> None:
        if not account.joining and not any(account.listeners.values()):
            del self._accounts[user_id]
            if not self._accounts:
                self._radio.leave(UPDATES)

    # What is heard

    def _hear(self, message: bytes) -> None:
        try:
            update = decode_update(message)
        except msgspec.DecodeError:
            return
        for touched in self._hearing.hear(update, _now()):
            if touched.user_id in self._accounts:
                self._touched[touched.user_id].update(touched.order_ids)
        if self._touched or not self._hearing.is_whole:
            self._wake.set()

    def _miss(self) -> None:
        self._hearing.is_whole = False
        self._wake.set()

    # What is read and told

    async def _look(self, doubtful: set[int], touched: dict[int, set[int]]) -> None:
        """Adds what has changed for these users without a word that was heard; their wallets are always compared."""
        if not doubtful:
            return
        accounts = {user_id: self._accounts[user_id] for user_id in doubtful}
        async with self._database.connection() as connection:
            rows = await orders.live(connection, list(accounts))
            new = await orders.placed_since(
                connection, {user_id: account.newest for user_id, account in accounts.items()}
            )
        live: dict[int, dict[int, State]] = defaultdict(dict)
        for row in rows:
            live[row.user_id][row.id] = row.state, row.seq
        for user_id, account in accounts.items():
            known, now = account.live, live[user_id]
            touched[user_id] |= {order for order in known.keys() | now.keys() if known.get(order) != now.get(order)}
        for user_id, order_id in new:
            touched[user_id].add(order_id)

    async def _tell(self, touched: Mapping[int, set[int]]) -> None:
        order_ids = [order for user_id in self._with(Kind.ORDERS, touched) for order in touched[user_id]]
        for start in range(0, len(order_ids), ORDERS_AT_ONCE):
            async with self._database.connection() as connection:
                seen = await orders.seen(connection, order_ids[start : start + ORDERS_AT_ONCE])
            for each in seen.values():
                self._tell_order(each, await self._catalogue.with_market(each.order.market))
        if users := self._with(Kind.WALLET, touched):
            async with self._database.connection() as connection:
                wallets = await reads.wallets(connection, users)
            listing = await self._catalogue.recent()
            for user_id in users:
                self._tell_wallet(user_id, _wallet(wallets.get(user_id, ()), listing))

    def _with(self, kind: Kind, users: Iterable[int]) -> list[int]:
        """Those of the users who listen to this."""
        return [user_id for user_id in users if user_id in self._accounts and self._accounts[user_id].listeners[kind]]

    def _tell_order(self, seen: Seen, listing: Listing) -> None:
        order, account = seen.order, self._accounts.get(seen.order.user_id)
        if account is None or account.live.get(order.id) == (order.state, order.seq):
            return
        account.newest = max(account.newest, order.id)
        account.live.pop(order.id, None)
        if not order.is_done:
            account.live[order.id] = order.state, order.seq
        if order.state == PENDING:
            return  # what becomes of it is not known yet, and is told when it is
        body = order_answers.answer(dataclasses.replace(seen, fills=seen.fills[-MOST_FILLS:]), listing)
        frame = frames.data(Kind.ORDERS, "event", pydantic_core.to_json(body))
        self._outlets.send(account.listeners[Kind.ORDERS], (frame,))

    def _tell_wallet(self, user_id: int, value: bytes) -> None:
        account = self._accounts.get(user_id)
        if account is not None and account.wallet != value:
            account.wallet = value
            self._outlets.send(account.listeners[Kind.WALLET], (frames.data(Kind.WALLET, "event", value),))


def _wallet(rows: Iterable[reads.Wallet], listing: Listing) -> bytes:
    return pydantic_core.to_json(wallet_answers.answer(rows, listing))


def _now() -> float:
    return asyncio.get_running_loop().time()
