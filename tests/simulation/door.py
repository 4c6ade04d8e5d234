"""The API as a process: hold, journal, wait, answer; and the relay, which sends again what nobody has decided.

It keeps the order of things that `api/` keeps, over the twin of the books. What it answers is what a client relies on.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from ledger.commands import JournalRecord, placing
from ledger.hold_rules import NewOrder, Placed
from ledger.settlement import Decided
from ledger.transfer_rules import Refused, TransferRequest
from schemas.commands import Numbered, encode_command
from schemas.topics import COMMANDS
from tests.ledger.memory.rows import Order
from tests.simulation.books import AT_ONCE, MAX_OPEN_ORDERS, Away, Books, Database
from tests.simulation.broker import Broker, Outage, Producer
from tests.simulation.loop import Loop, Process

RELAY_SECONDS = 1.0
POLL_SECONDS = 0.3
WAIT_SECONDS = 2.0
ACK_SECONDS = 3.0


class Answer(NamedTuple):
    """`done` and `accepted` are 2xx, `refused` is 4xx; `unknown` is 503, a broken connection or a client's patience."""

    kind: str
    order_id: int | None = None
    detail: str = ""


UNKNOWN = Answer("unknown")


class Door:
    """One API process."""

    def __init__(self, loop: Loop, broker: Broker, books: Books, name: str) -> None:
        self.process = Process(loop, name)
        self.calls: dict[asyncio.Future[Answer], None] = {}  # no set: their order would be that of addresses
        self.books = books
        self._broker = broker
        self._weather = broker.weather
        self._database = Database(books, self.process, broker.weather)
        self._producer = Producer(broker, self.process)
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self.process.at_end.append(self._hang_up)
        self.process.spawn(self._relay())
        self.process.spawn(self._poll())

    def ask(self, verb: str, *arguments: Any) -> "asyncio.Future[Answer]":
        """A request from outside."""
        future: asyncio.Future[Answer] = self.process.loop.create_future()
        self.calls[future] = None
        self.process.spawn(self._answer(future, verb, arguments))
        return future

    async def _answer(self, future: "asyncio.Future[Answer]", verb: str, arguments: Sequence[Any]) -> None:
        try:
            answer = await getattr(self, verb)(*arguments)
        except Away:
            answer = UNKNOWN
        self.calls.pop(future, None)
        if not future.done():
            future.set_result(answer)

    def _hang_up(self) -> None:
        for future in self.calls:
            if not future.done():
                future.set_result(UNKNOWN)

    # --- verbs ---

    async def place(self, new: NewOrder) -> Answer:
        [placed] = await self._database.run(lambda: self.books.place([new], MAX_OPEN_ORDERS))
        if not isinstance(placed, Placed):
            return Answer("refused", None, placed.value)
        self.process.loop.reached("api.after_hold")
        if placed.repeated:
            return await self._known(placed.order_id, await self._decided(placed.command_id))
        record = placing(new, placed, self.books.markets[new.market].partition)
        decided = await self._send([record], placed.command_id)
        return UNKNOWN if decided is None else await self._known(placed.order_id, decided)

    async def _known(self, order_id: int, decided: bool) -> Answer:
        order = await self._order(order_id)
        return Answer("done" if decided else "accepted", order_id, order.state)

    async def cancel(self, order_id: int, user_id: int) -> Answer:
        return await self._change(order_id, user_id, "cancel_order", {})

    async def reduce(self, order_id: int, user_id: int, lots: int) -> Answer:
        return await self._change(order_id, user_id, "reduce_order", {"lots": lots})

    async def _change(self, order_id: int, user_id: int, kind: str, arguments: dict[str, Any]) -> Answer:
        """Behind the order's own command, sent again while nobody knows whether the journal has it."""
        order = await self._order(order_id)
        if order.is_done:
            return Answer("refused", order_id, order.state)
        behind = [order.command_id] if order.state == "pending" else []
        decided, outcome = await self._give(order.market, kind, arguments, user_id, order_id, behind)
        return Answer("done" if decided else "accepted", order_id, outcome) if decided is not None else UNKNOWN

    async def cancel_all(self, market: str, user_id: int) -> Answer:
        rows = await self._database.run(lambda: list(self.books.orders))
        mine = [row for row in rows if row.user_id == user_id and row.market == market]
        behind = [row.command_id for row in mine if row.state == "pending" and row.kind != "purchase"]
        decided, outcome = await self._give(market, "cancel_all", {}, user_id, None, behind)
        return Answer("done" if decided else "accepted", None, outcome) if decided is not None else UNKNOWN

    async def govern(self, market: str, kind: str, arguments: dict[str, Any]) -> Answer:
        decided, outcome = await self._give(market, kind, arguments, None, None, [])
        return Answer("done" if decided else "accepted", None, outcome) if decided is not None else UNKNOWN

    async def transfer(self, request: TransferRequest) -> Answer:
        done = await self._database.run(lambda: self.books.transfer(request))
        return Answer("refused", None, done.value) if isinstance(done, Refused) else Answer("done", done.transfer_id)

    # --- on the way ---

    async def _give(self, market, kind, arguments, user_id, order_id, behind) -> tuple[bool | None, str]:
        row = await self._database.run(
            lambda: self.books.add_command(market, kind, arguments, user_id=user_id, order_id=order_id)
        )
        records = await self._database.run(lambda: self.books.journal_records([*behind, row.command_id]))
        decided = await self._send(records, row.command_id)
        return decided, await self._database.run(lambda: self.books.commands[row.command_id].outcome or "")

    async def _send(self, records: Sequence[JournalRecord], awaited: int) -> bool | None:
        """Whether the awaited command was decided in time; None when Kafka did not say that it has it."""
        if not await self._append(records):
            return None
        self.process.loop.reached("api.after_produce")
        return await self._decided(awaited)

    async def _append(self, records: Sequence[JournalRecord]) -> bool:
        producer = self._producer
        acks = [
            producer.send(COMMANDS.name, one.partition, one.command.market.encode(), self._encoded(one.command))
            for one in records
        ]
        try:
            async with asyncio.timeout(ACK_SECONDS):
                for ack in acks:
                    await ack
        except (Outage, TimeoutError):
            if self._producer is producer:
                self._producer = Producer(self._broker, self.process)
            return False
        return True

    def _encoded(self, command: Numbered) -> bytes:
        return encode_command(msgspec.structs.replace(command, reply=self.process.name))

    async def _decided(self, command_id: int) -> bool:
        future = self._waiting.setdefault(command_id, self.process.loop.create_future())
        if self.books.is_decided(command_id):
            self._waiting.pop(command_id, None)
            return True
        await asyncio.wait([future], timeout=WAIT_SECONDS)
        return future.done()

    def hear(self, decided: Sequence[Decided]) -> None:
        """The wallet agent's word, while it can be heard."""
        for one in decided:
            future = self._waiting.pop(one.result.command_id, None)
            if future is not None and not future.done():
                future.set_result(None)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            for command_id in [i for i in self._waiting if self.books.is_decided(i)]:
                future = self._waiting.pop(command_id)
                if not future.done():
                    future.set_result(None)

    async def _relay(self) -> None:
        while True:
            await asyncio.sleep(RELAY_SECONDS)
            try:
                ids = await self._database.run(lambda: self.books.claim(AT_ONCE))
                if ids:
                    self.process.loop.reached("relay.after_claim")
                    records = await self._database.run(lambda: self.books.journal_records(ids))  # noqa: B023  -- run at once
                    await self._append(records)
            except Away:
                continue

    async def _order(self, order_id: int) -> Order:
        return await self._database.run(lambda: self.books.orders[order_id])
