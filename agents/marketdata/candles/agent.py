"""How the candles follow the public trades: the same records that any downstream system reads."""

from runtime.journal.machine import Record
from runtime.journal.sink import Feed, Told
from schemas.topics import TRADES
from schemas.trades import Trade, decode_trade

MEND = "To make the candles again, delete them and the watermarks of the consumer `candles`."


def told(record: Record) -> Told[Trade]:
    trade = decode_trade(record.value or b"")
    return Told(trade.market, trade.trade_seq, trade.offset, trade)


FEED: Feed[Trade] = Feed(TRADES, told)
