"""A strict client of the market data: it believes nothing that it cannot check, and comes back when it is cut off."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any

import aiohttp

from schemas.checksum import checksum
from tests.agents.marketdata.market import Reader


class Hole(AssertionError):  # noqa: N818  # what it is, not that it is one
    """What came does not join what was there."""


class Wrong(AssertionError):  # noqa: N818  # as above
    """The book that came of it is not the server's."""


class Picture:
    """One market as the frames tell it. `trusts_numbers` is false for one who looks at the checksum alone."""

    def __init__(self, *, trusts_numbers: bool = True) -> None:
        self.book: Reader | None = None
        self.trade_seq: int | None = None
        self.trades: list[Any] = []
        self.deltas = self.snapshots = 0
        self._trusts_numbers = trusts_numbers

    def take(self, frame: Any) -> None:
        """A frame of a channel; answers are passed over."""
        kind, data = frame.get("type"), frame.get("data")
        if kind is None:
            assert frame["op"] in ("subscribed", "bye"), frame
        elif frame["channel"].startswith("trades:"):
            self._take_trade(data)
        elif kind == "snapshot":
            self.snapshots += 1
            self.book = Reader(data["seq"], dict(data["bids"]), dict(data["asks"]))
            self._prove(data["checksum"])
        else:
            self._take_delta(data)

    def _take_delta(self, data: Any) -> None:
        assert self.book is not None, "a delta before the snapshot"
        if self._trusts_numbers and data["first_seq"] != self.book.seq + 1:
            raise Hole(f"{data['first_seq']} comes after {self.book.seq}")
        self.deltas += 1
        self.book.seq = data["last_seq"]
        self.book.put(data["bids"], data["asks"])
        self._prove(data["checksum"])

    def _take_trade(self, trade: Any) -> None:
        """By number; after coming back one may be told again what one knows."""
        if self.trade_seq is not None and trade["trade_seq"] <= self.trade_seq:
            return
        if self.trade_seq is not None and trade["trade_seq"] != self.trade_seq + 1:
            raise Hole(f"trade {trade['trade_seq']} comes after {self.trade_seq}")
        self.trade_seq = trade["trade_seq"]
        self.trades.append(trade)

    def _prove(self, told: int) -> None:
        if checksum(*self.levels()) != told:
            raise Wrong(f"the book after {self.book.seq} is another one")

    def levels(self) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        bids, asks = self.book.levels()
        return list(bids), list(asks)


class Watcher:
    """A picture kept up over every loss of the connection; `frames` is all that came."""

    def __init__(self, base: Callable[[], str], market: str) -> None:
        self.picture = Picture()
        self.frames: list[Any] = []
        self.connections = 0
        self._base = base
        self._book, self._trades = f"orderbook:{market}", f"trades:{market}"

    async def watch(self) -> None:
        """Until it is cancelled."""
        async with aiohttp.ClientSession() as session:
            while True:
                with contextlib.suppress(aiohttp.ClientError, OSError):
                    async with session.ws_connect(self._base() + "/api/v1/ws", max_msg_size=0) as ws:
                        self.connections += 1
                        await self._listen(ws)
                await asyncio.sleep(0.05)

    async def _listen(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        picture = self.picture
        since = {} if picture.book is None else {self._book: picture.book.seq}
        since |= {} if picture.trade_seq is None else {self._trades: picture.trade_seq}
        channels = [self._book, self._trades]
        await ws.send_str(json.dumps({"op": "subscribe", "channels": channels, "since_seq": since}))
        async for message in ws:
            if message.type is aiohttp.WSMsgType.TEXT:
                frame = json.loads(message.data)
                if frame.get("op") == "error" and frame["code"] == "unavailable":
                    return  # a server behind is away: it comes back
                self.frames.append(frame)
                picture.take(frame)
