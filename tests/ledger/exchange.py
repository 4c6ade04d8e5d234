"""The pipeline in one hand: what the API, the matching agent, the windower and the wallet agent do, without a broker.

Its books are either of `stores.py`; after every run that enters them they must agree with themselves.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from agents.matching.engine import Market
from agents.settlement.terms import WindowTerms
from agents.settlement.window import State
from agents.settlement.windower import follow
from ledger.accounts import NewUser
from ledger.hold_rules import NewOrder, Placed
from ledger.listings import NewMarket
from ledger.settlement import Decided
from ledger.transfer_rules import TransferRequest
from ledger.transfers import Transferred
from runtime.journal.sink import Run, Told
from runtime.journal.watermark import Mark
from schemas.batches import BatchRecord, Fill
from schemas.commands import Command
from schemas.executions import ChainedExecution
from schemas.money import market_units
from schemas.topics import BATCHES, EXECUTIONS, FILLS
from tests.ledger.stores import Store

SYMBOL = "BTC-USD"
VALUE = 100  # quote atoms of a tick times a lot
LOT = 10_000  # base atoms of a lot
FEES = {"maker_fee_bps": 10, "taker_fee_bps": 20}
MOST_OPEN = 10_000


class Exchange:
    """One market. Time passes by seven milliseconds a command."""

    def __init__(self, store: Store, terms: WindowTerms | None = None, *, symbol: str = SYMBOL) -> None:
        self.store = store
        self.symbol = symbol
        self.engine = Market(symbol)
        self.windows = State(symbol, 1, terms or WindowTerms())
        self.seq = self.batch_seq = self.fill_seq = 0
        self.partition = 0
        self.now_ms = 1_700_000_000_000
        self.marks: dict[str, dict[str, Mark]] = defaultdict(dict)

    async def open(self, partitions: int = 1, **terms: Any) -> None:
        """The market in the books and in the engine; BTC and USD are there."""
        base, _, quote = self.symbol.partition("-")
        units = market_units("0.01", "0.0001", 8, 8)
        row = await self.store.add_market(
            NewMarket(base=base, quote=quote, units=units, **terms), partitions=partitions
        )
        assert row is not None
        await self.give(row.command_id)

    async def list_price(self, price_ticks: int) -> None:
        row = await self.store.add_command(self.symbol, "list_price", {"price_ticks": price_ticks})
        await self.give(row.command_id)

    # --- what the agents say ---

    async def execute(self, command_id: int, *, cut: int = 500) -> list[ChainedExecution]:
        """What the matching agent says of a command."""
        (record,) = await self.store.journal_records([command_id])
        return self.match(record.command, cut=cut)

    def match(self, command: Command, *, cut: int = 500) -> list[ChainedExecution]:
        self.now_ms += 7
        events = self.engine.apply(command, self.now_ms)
        parts = [events[start : start + cut] for start in range(0, len(events), cut)]
        executions = []
        for number, part in enumerate(parts, 1):
            self.seq += 1
            executions.append(
                ChainedExecution(
                    market=self.symbol, seq=self.seq, partition=self.partition, offset=self.seq, time_ms=self.now_ms,
                    part=number, last=number == len(parts), command="",
                    command_id=getattr(command, "command_id", None), reply="", events=part, prev_chain="", chain="",
                )
            )  # fmt: skip
        return executions

    def gather(self, execution: ChainedExecution) -> list[BatchRecord]:
        """What the windower says of an execution."""
        records = []
        for event in follow(self.windows, execution):
            self.batch_seq += 1
            place = (self.symbol, self.batch_seq, self.partition, execution.offset, execution.time_ms, 1, True)
            records.append(BatchRecord(*place, execution.seq, [event]))
        return records

    # --- what enters the books ---

    async def settle(self, executions: Sequence[ChainedExecution]) -> Sequence[Decided]:
        return await self._apply(EXECUTIONS.name, [(self.symbol, one.seq, one) for one in executions])

    async def apply(self, records: Sequence[BatchRecord]) -> None:
        await self._apply(BATCHES.name, [(self.symbol, one.seq, one) for one in records])

    async def fill(self, *fills: Fill) -> None:
        """Fills are numbered by where they lie."""
        numbered = [("", self.fill_seq + number, fill) for number, fill in enumerate(fills, 1)]
        await self._apply(FILLS.name, numbered)
        self.fill_seq += len(fills)

    async def _apply(self, topic: str, numbered: Sequence[tuple[str, int, Any]]) -> Sequence[Decided]:
        run = self.run(topic, numbered)
        decided = await self.store.apply(run)
        self.marks[topic] |= run.after
        await self.store.prove()
        return decided

    def run(self, topic: str, numbered: Sequence[tuple[str, int, Any]]) -> Run[Any]:
        """As the sink makes it; a run is of one market here."""
        name, seq, last = numbered[-1]
        told = [Told(self.symbol, number, number, value) for _, number, value in numbered]
        before = {name: self.marks[topic].get(name, Mark())}
        return Run(
            topic, self.partition, told, before, {name: Mark(seq, getattr(last, "offset", seq), f"{seq:064}", seq)}
        )

    # --- what people do ---

    async def rich(self, name: str, **atoms: int) -> int:
        """A user with a deposit of each asset."""
        user_id = await self.store.create_user(NewUser(username=name, password_hash="-"))
        assert user_id is not None
        for asset, amount in (atoms or {"USD": 10**15, "BTC": 10**12}).items():
            request = TransferRequest(
                kind="deposit", user_id=user_id, asset=asset, amount_atoms=amount, requested_by=user_id
            )
            assert isinstance(await self.store.transfer(request), Transferred)
        return user_id

    def limit(self, user_id: int, side: str, price: int, lots: int, key: str, **more: Any) -> NewOrder:
        base, _, quote = self.symbol.partition("-")
        hold = (quote, price * lots * VALUE) if side == "buy" else (base, lots * LOT)
        fields = {"kind": "limit", "time_in_force": "gtc", "self_trade": "expire_taker"} | more
        return NewOrder(
            user_id=user_id, market=self.symbol, side=side, lots=lots, price_ticks=price, hold_asset=hold[0],
            hold_atoms=hold[1], key=key, digest=key, **fields,
        )  # fmt: skip

    def purchase(self, user_id: int, lots: int, price: int, key: str) -> NewOrder:
        return self.limit(user_id, "buy", price, lots, key, kind="purchase", time_in_force=None, self_trade=None)

    async def placed(self, order: NewOrder) -> Placed:
        (answer,) = await self.store.place([order], MOST_OPEN)
        assert isinstance(answer, Placed), answer
        return answer

    async def give(self, command_id: int) -> Sequence[Decided]:
        """One command, from its row to the books, and to the window that it concerns."""
        executions = await self.execute(command_id)
        decided = await self.settle(executions)
        if records := [record for execution in executions for record in self.gather(execution)]:
            await self.apply(records)
        return decided

    async def bought(self, order: NewOrder) -> int:
        """A purchase up to the batch that it joined or became."""
        placed = await self.placed(order)
        await self.give(placed.command_id)
        return placed.order_id

    # --- what the books show ---

    async def row(self, table: str, key: int) -> dict[str, Any]:
        (row,) = [dict(row) for row in await self.store.rows(table) if row["id"] == key]
        return row

    async def wallet(self, user_id: int) -> dict[str, tuple[int, int, int]]:
        mine = [row for row in await self.store.rows("wallets") if row["user_id"] == user_id]
        shown = {row["asset"]: (row["available"], row["held"], row["pending"]) for row in mine}
        return {asset: amounts for asset, amounts in shown.items() if any(amounts)}

    async def system(self) -> dict[tuple[str, str], int]:
        found = await self.store.rows("system_accounts")
        return {(row["account"], row["asset"]): row["balance"] for row in found if row["balance"]}
