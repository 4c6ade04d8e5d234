"""The books in memory: a twin of the tables, their constraints and their transactions, written by hand.

Only the pure rules are shared with the product, so what differs from PostgreSQL is found by the suite that runs on
both. A method that writes is one transaction: it ends in `committed`, or raises and has changed nothing.
"""

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any

from ledger import batch_rules, hold_rules, settle_rules, settlement, transfer_rules
from ledger.accounts import HOME_CURRENCY, NewUser
from ledger.commands import CommandRow, JournalRecord, command_of
from ledger.hold_rules import FormerOrder, NewOrder, Placed, SameAs
from ledger.listings import NewMarket
from ledger.postings import OUTSIDE, Posting
from ledger.settlement import Assets, Decided, Mismatch
from ledger.transfer_rules import FormerUse, Repeat, TransferRequest, TransferState
from ledger.transfers import BORDER, Transferred
from runtime.journal.errors import Broken, NotYet, Unwell
from runtime.journal.sink import Run
from runtime.journal.watermark import Mark
from schemas.commands import RULES_VERSIONS
from schemas.executions import ChainedExecution
from schemas.topics import BATCHES, EXECUTIONS, FILLS
from tests.ledger.memory import rows
from tests.ledger.memory.table import Constraint, OutOfRange
from tests.ledger.memory.tables import Tables

CONSUMER = "wallet"
FIRST_SEND_SECONDS, MOST_SECONDS = 3.0, 60.0


class Books(Tables):
    """What the processes do to the tables."""

    # --- who and what there is ---

    def create_user(self, new: NewUser) -> int | None:
        with self.transaction("user"):
            if new.username is not None and any(user.username == new.username for user in self.users):
                return None
            user = self.users.add(
                rows.User(
                    id=self._next("users"), username=new.username, name=new.name, password_hash=new.password_hash,
                    is_admin=new.is_admin,
                )
            )  # fmt: skip
            self.wallets.add(rows.Wallet(user_id=user.id, asset=HOME_CURRENCY))
            entry = {"user_id": user.id, "username": user.username, "name": user.name, "is_admin": user.is_admin}
            if new.key is not None:
                entry |= {"requested_by": new.requested_by, "idempotency_key": new.key, "digest": new.digest}
            self._tell(user.id, "account", entry)
            return user.id

    def _tell(self, user_id: int, kind: str, entry: Mapping[str, Any]) -> None:
        self.outbox.add(rows.Told(id=self._next("outbox"), user_id=user_id, kind=kind, entry=entry))

    def forget(self, entries: Iterable[int]) -> None:
        with self.transaction("outbox"):
            for entry in entries:
                self.outbox.remove(entry)

    def add_currency(self, code: str, name: str, scale: int) -> bool:
        with self.transaction("currency"):
            if code in self.currencies:
                return False
            self.currencies.add(rows.Currency(code=code, name=name, scale=scale))
            self._tell(0, "currency", {"code": code, "name": name, "scale": scale})
            return True

    def add_market(self, new: NewMarket, *, partitions: int, user_id: int | None = None) -> CommandRow | None:
        units = new.units
        with self.transaction("market"):
            if new.symbol in self.markets:
                return None
            if missing := {new.base, new.quote} - {currency.code for currency in self.currencies}:
                raise Constraint(f"markets refer to {missing}")
            numbers = Counter(market.partition for market in self.markets)
            self.markets.add(
                rows.Market(
                    id=self._next("markets"), symbol=new.symbol, base=new.base, quote=new.quote,
                    partition=min(range(partitions), key=lambda number: (numbers[number], number)),
                    is_house=not any(market.base == new.base and market.is_house for market in self.markets),
                    base_scale=units.base_scale, quote_scale=units.quote_scale, tick_size=Decimal(str(units.tick)),
                    lot_size=Decimal(str(units.lot)), lot_base_atoms=units.lot_base_atoms,
                    tick_lot_quote_atoms=units.tick_lot_quote_atoms, maker_fee_bps=new.maker_fee_bps,
                    taker_fee_bps=new.taker_fee_bps, band_bps=new.band_bps, min_notional_atoms=new.min_notional_atoms,
                )
            )  # fmt: skip
            arguments = {
                "base": new.base, "quote": new.quote, "base_scale": units.base_scale,
                "quote_scale": units.quote_scale, "tick_size": str(units.tick), "lot_size": str(units.lot),
                "status": "open", "maker_fee_bps": new.maker_fee_bps, "taker_fee_bps": new.taker_fee_bps,
                "band_bps": new.band_bps, "min_notional_atoms": new.min_notional_atoms,
            }  # fmt: skip
            return self._command(new.symbol, "open_market", arguments, user_id, None)

    # --- commands ---

    def add_command(
        self, market: str, kind: str, arguments: Mapping[str, Any], *,
        user_id: int | None = None, order_id: int | None = None,
    ) -> CommandRow:  # fmt: skip
        if (version := arguments.get("rules_version")) is not None and version not in RULES_VERSIONS:
            raise LookupError(f"this release has no rules version {version}")
        with self.transaction("command"):
            return self._command(market, kind, arguments, user_id, order_id)

    def _command(
        self, market: str, kind: str, arguments: Mapping[str, Any], user_id: int | None, order_id: int | None
    ) -> CommandRow:
        if market not in self.markets:
            raise LookupError(f"there is no market {market}")
        command = self.commands.add(
            rows.Command(
                id=self._next("commands"), market=market, number=self._next(f"numbers of {market}"), kind=kind,
                user_id=user_id, order_id=order_id, arguments=arguments,
            )
        )  # fmt: skip
        self._next_send[command.id] = self.clock() + FIRST_SEND_SECONDS
        return CommandRow(command.id, command.number)

    def pending(self) -> list[int]:
        return [command.id for command in self.commands if command.state == "pending"]

    def is_decided(self, command_id: int) -> bool:
        return self.commands[command_id].state == "decided"

    def claim(self, per_partition: int) -> list[int]:
        """What is due, each less and less often."""
        now, left = self.clock(), Counter({market.partition: per_partition for market in self.markets})
        claimed = []
        with self.transaction("claim"):
            waiting = [self.commands[command_id] for command_id in self.pending()]
            for command in sorted(waiting, key=attrgetter("market", "number")):
                partition = self.markets[command.market].partition
                if self._next_send[command.id] <= now and left[partition]:
                    left[partition] -= 1
                    claimed.append(command.id)
                    self.commands.put(dataclasses.replace(command, sends=command.sends + 1))
                    self._next_send[command.id] = now + min(MOST_SECONDS, 2 * 2 ** min(command.sends, 5))
        return claimed

    def make_due(self) -> None:
        """As though much time had passed."""
        self._next_send = dict.fromkeys(self._next_send, self.clock())

    def waits(self) -> list[tuple[int, int]]:
        """How often each pending command was sent, and in how many seconds it will be again."""
        now = self.clock()
        return [(self.commands[number].sends, round(self._next_send[number] - now)) for number in self.pending()]

    def journal_records(self, command_ids: Iterable[int]) -> list[JournalRecord]:
        found = sorted((self.commands[number] for number in set(command_ids)), key=attrgetter("market", "number"))
        return [JournalRecord(self.markets[row.market].partition, command_of(self._described(row))) for row in found]

    def _described(self, command: rows.Command) -> dict[str, Any]:
        """A command with the order that it places."""
        described = dataclasses.asdict(command) | {"arguments": json.dumps(command.arguments)}
        order = self.orders.get(command.order_id)
        if order is not None and order.command_id == command.id:
            placed = dataclasses.asdict(order)
            described |= {name: placed[name] for name in placed.keys() - described.keys()} | {"order_kind": order.kind}
        return described

    # --- orders and their holds ---

    def place(self, orders: Sequence[NewOrder], max_open_orders: int) -> list[Placed | hold_rules.Refused]:
        answers: list[Placed | hold_rules.Refused] = []
        with self.transaction("holds"):
            for decision in hold_rules.decide(orders, self._before(orders), max_open_orders):
                if isinstance(decision, NewOrder):
                    answers.append(self._hold(decision))
                elif isinstance(decision, SameAs):
                    first = answers[decision.index]
                    assert isinstance(first, Placed)
                    answers.append(Placed(first.order_id, first.command_id, repeated=True))
                else:
                    answers.append(decision)
        return answers

    def _before(self, orders: Sequence[NewOrder]) -> hold_rules.Books:
        former = {}
        for order in orders:
            key = self.idempotency_keys.get((order.owner, order.key))
            if key is not None:
                row = self.orders.get(key.subject_id) if key.subject == "order" else None
                ids = (row.id, row.command_id) if row is not None else (None, None)
                former[order.owner, order.key] = FormerOrder(key.digest, *ids)
        wallets = {(wallet.user_id, wallet.asset): wallet.available for wallet in self.wallets}
        return hold_rules.Books(wallets, Counter((o.user_id, o.market) for o in self.orders if not o.is_done), former)

    def _hold(self, new: NewOrder) -> Placed:
        order_id = self._next("orders")
        kind = "buy_from_house" if new.kind == "purchase" else "place_order"
        command = self._command(new.market, kind, {}, new.user_id, order_id)
        fields = dataclasses.asdict(new)
        key, digest = fields.pop("key"), fields.pop("digest")
        self.orders.add(
            rows.Order(
                id=order_id, command_id=command.command_id, held_remaining=new.hold_atoms, client_order_id=key,
                body_digest=digest, **fields,
            )
        )  # fmt: skip
        self.idempotency_keys.add(
            rows.Key(user_id=new.owner, key=key, digest=digest, subject="order", subject_id=order_id)
        )
        self._move(new.user_id, new.hold_asset, available=-new.hold_atoms, held=new.hold_atoms)
        return Placed(order_id, command.command_id, number=command.number)

    # --- money over the border ---

    def transfer(self, request: TransferRequest) -> Transferred | transfer_rules.Refused:
        decision = transfer_rules.decide(request, self._transfer_state(request))
        if isinstance(decision, transfer_rules.Refused):
            return decision
        if isinstance(decision, Repeat):
            return Transferred(decision.transfer_id, repeated=True)
        with self.transaction("transfer"):
            return Transferred(self._transfer(request, decision))

    def _transfer_state(self, request: TransferRequest) -> TransferState:
        key = self.idempotency_keys.get((request.requested_by, request.key))
        accounts = [row for row in self.system_accounts if row.asset == request.asset]
        total = -sum(row.balance for row in accounts if row.account in OUTSIDE)
        total -= sum(min(row.balance, 0) for row in accounts if row.account == "house")
        border = self.system_accounts.get((BORDER[request.kind], "", request.asset))
        wallet = self.wallets.get((request.user_id, request.asset))
        is_known = request.user_id in self.users and request.asset in self.currencies
        return TransferState(
            former_use=key and FormerUse(subject=key.subject, subject_id=key.subject_id, digest=key.digest),
            signature_seen=request.signature in self.request_signatures,
            available=(wallet.available if wallet else 0) if is_known else None,
            total=total,
            gross=abs(border.balance) if border else 0,
        )

    def _transfer(self, request: TransferRequest, legs: Iterable[Posting]) -> int:
        transfer = self.transfers.add(
            rows.Transfer(
                id=self._next("transfers"), kind=request.kind, requested_by=request.requested_by,
                idempotency_key=request.key, note=request.note,
            )
        )  # fmt: skip
        for leg in legs:
            self._post(transfer.id, leg)
            if leg.user_id is None:
                self._book(leg.account, leg.market or "", leg.asset, leg.amount)
            else:
                self._move(leg.user_id, leg.asset, available=leg.amount)
                told = {
                    "transfer_id": transfer.id,
                    "kind": request.kind,
                    "asset": leg.asset,
                    "amount_atoms": leg.amount,
                }
                told |= {"user_id": leg.user_id, "requested_by": request.requested_by, "note": request.note}
                told |= {"idempotency_key": request.key, "digest": request.digest}
                self._tell(leg.user_id, request.kind, told)
        if request.key is not None:
            self.idempotency_keys.add(
                rows.Key(
                    user_id=request.requested_by, key=request.key, digest=request.digest, subject="transfer",
                    subject_id=transfer.id,
                )
            )  # fmt: skip
        if request.signature is not None:
            self.request_signatures.add(rows.Signature(signature=request.signature, user_id=request.requested_by))
        return transfer.id

    # --- what the wallet agent writes ---

    def marks(self, topic: str, partition: int) -> dict[str, Mark]:
        mine = [
            row for row in self.watermarks if (row.consumer, row.topic, row.partition) == (CONSUMER, topic, partition)
        ]
        return {row.market: Mark(row.seq, row.source_offset, row.chain, row.next_offset - 1) for row in mine}

    def apply(self, run: Run[Any]) -> Sequence[Decided]:
        """A run and its watermarks; what it decided. What it raises is what a sink's store may raise."""
        try:
            with self.transaction(run.topic):
                self._fence(run)
                decided = self._write(run)
                self.move_marks(run)
        except batch_rules.TooEarly as error:
            raise NotYet(str(error)) from error
        except (Mismatch, Constraint, OutOfRange) as error:
            raise Broken(f"{run.topic} contradicts the books: {error}") from error
        return decided

    def _fence(self, run: Run[Any]) -> None:
        marks = self.marks(run.topic, run.partition)
        if {market: marks.get(market, Mark()) for market in run.before} != run.before:
            raise Unwell("another worker has moved the watermark")

    def move_marks(self, run: Run[Any]) -> None:
        for market, mark in run.after.items():
            self.watermarks.put(
                rows.Watermark(
                    consumer=CONSUMER, topic=run.topic, partition=run.partition, market=market, seq=mark.seq,
                    source_offset=mark.source_offset, chain=mark.chain, next_offset=mark.position + 1,
                )
            )  # fmt: skip

    def _write(self, run: Run[Any]) -> Sequence[Decided]:
        values = [told.value for told in run.records]
        if run.topic == EXECUTIONS.name:
            return self._settle(values)
        if run.topic == BATCHES.name:
            reached = {row.market: row.seq for row in self.watermarks if row.topic == EXECUTIONS.name}
            batch_rules.check_reached(values, reached)
            events = [event for record in values for event in record.events]
            lines = {line.order_id for event in events for line in batch_rules.lines_of(event)}
            self._gather(batch_rules.gather, values, [order for order in self.orders if order.id in lines])
        else:
            assert run.topic == FILLS.name
            batches = {fill.batch_id for fill in values}
            self._gather(batch_rules.settle_fills, values, [o for o in self.orders if o.batch_id in batches])
        return []

    def _assets(self) -> dict[str, Assets]:
        return {market.symbol: Assets(market.base, market.quote) for market in self.markets}

    def _settle(self, executions: Sequence[ChainedExecution]) -> Sequence[Decided]:
        assets = self._assets()
        concerned = [self.orders.get(order_id) for order_id in settle_rules.concerned(executions, assets)]
        orders = {
            row.id: settlement.Order(
                row.id, row.user_id, row.side, row.state, row.lots, row.filled_lots, row.filled_quote_atoms,
                row.held_remaining, row.reason,
            )
            for row in concerned
            if row is not None
        }  # fmt: skip
        asked = [one.command_id for one in executions if one.command_id is not None and one.last]
        found = [self.commands[command_id] for command_id in asked if command_id in self.commands]
        commands = {row.id: row.order_id for row in found if row.state == "pending"}
        done = settle_rules.settle(executions, assets, orders, commands)
        self._write_balances(done.wallets, done.system)
        for order in done.orders.values():
            names = ("state", "reason", "lots", "filled_lots", "filled_quote_atoms", "held_remaining", "seq")
            changes = {name: getattr(order, name) for name in names}
            self.orders.put(dataclasses.replace(self.orders[order.order_id], **changes))
        self._write_trades(done.trades)
        for one in done.decided:
            self.commands.put(
                dataclasses.replace(
                    self.commands[one.result.command_id], state="decided", outcome=one.result.outcome,
                    journal_partition=one.partition, journal_offset=one.offset,
                )
            )  # fmt: skip
        for symbol, terms in done.markets.items():
            said = {name: value for name, value in dataclasses.asdict(terms).items() if value is not None}
            self.markets.put(dataclasses.replace(self.markets[symbol], version=said.pop("seq"), **said))
        return done.decided

    def _write_balances(
        self, wallets: Mapping[tuple[int, str], settlement.Wallet], system: Mapping[tuple[str, str, str], int]
    ) -> None:
        for (user_id, asset), change in wallets.items():
            if change.available or change.held or change.pending:
                self._move(user_id, asset, available=change.available, held=change.held, pending=change.pending)
        for account, amount in system.items():
            if amount:
                self._book(*account, amount)

    def _write_trades(self, trades: Iterable[settlement.Trade]) -> None:
        for trade in trades:
            fields = trade._asdict()
            fields["at"] = fields.pop("at_ms")
            legs = fields.pop("legs")
            row = self.trades.add(rows.Trade(id=self._next("transfers"), **fields))
            kind = "trade" if row.kind == "book" else "purchase"
            self.transfers.add(
                rows.Transfer(id=row.id, kind=kind, market=row.market, seq=row.seq, trade_seq=row.trade_seq)
            )
            for leg in legs:
                self._post(row.id, leg)

    def _gather(
        self, decide: Callable[..., batch_rules.Outcome], values: Sequence[Any], found: Iterable[rows.Order]
    ) -> None:
        purchases = {row.id: self._purchase(row) for row in found}
        batches = {row.id: batch_rules.Batch(*dataclasses.astuple(row)) for row in self.batches}
        done = decide(values, self._assets(), purchases, batches)
        self._write_balances(done.wallets, done.system)
        for one in done.purchases.values():
            if one.at_ms:
                self.orders.put(
                    dataclasses.replace(
                        self.orders[one.order_id], state=one.state, is_aggregated=one.is_aggregated,
                        batch_id=one.batch_id, batch_line=one.line, seq=one.seq,
                    )
                )  # fmt: skip
        for batch in done.batches.values():
            self.batches.put(rows.Batch(**dict(zip(rows.Batch.__slots__, dataclasses.astuple(batch), strict=True))))
        for transfer in done.transfers:
            row = rows.Transfer(
                id=self._next("transfers"), kind=transfer.kind, market=transfer.market, batch_id=transfer.batch_id
            )
            self.transfers.add(row)
            for leg in transfer.legs:
                self._post(row.id, leg)

    def _purchase(self, row: rows.Order) -> batch_rules.Purchase:
        base_atoms = row.filled_lots * self.markets[row.market].lot_base_atoms
        return batch_rules.Purchase(
            row.id, row.user_id, row.state, base_atoms, row.filled_quote_atoms, row.is_aggregated, row.batch_id,
            row.batch_line, row.seq,
        )  # fmt: skip
