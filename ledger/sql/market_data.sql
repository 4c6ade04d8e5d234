-- Trades and candles as everybody sees them.

-- name: trades
select trade_seq, kind, price_ticks, lots, taker_side, at from trades
where market = $1 and trade_seq < $2 order by trade_seq desc limit $3

-- name: last_trades
select trade_seq, seq, kind, price_ticks, lots, taker_side, at from trades
where market = $1 order by trade_seq desc limit $2

-- name: trades_after
select trade_seq, seq, kind, price_ticks, lots, taker_side, at from trades
where market = $1 and trade_seq > $2 order by trade_seq limit $3

-- name: newest_trades
select m.market, t.trade_seq
from unnest($1::text[]) as m (market)
cross join lateral (
    select trade_seq from trades where market = m.market order by trade_seq desc limit 1
) t

-- name: newest_candles
select c.market, c.interval_s, c.open_time, c.open_ticks, c.high_ticks, c.low_ticks, c.close_ticks, c.lots, c.trades
from unnest($1::text[], $2::integer[]) as k (market, interval_s)
cross join lateral (
    select * from candles where market = k.market and interval_s = k.interval_s order by open_time desc limit 1
) c

-- name: candles
select open_time, open_ticks, high_ticks, low_ticks, close_ticks, lots, trades from candles
where market = $1 and interval_s = $2 and open_time >= $3 and open_time < $4
order by open_time desc limit $5

-- name: units
select symbol, tick_size, lot_size, base_scale, quote_scale from markets where symbol = any ($1::text[])

-- name: add_candles
-- What a run of trades adds to the candles that are there; each trade comes once, the watermark sees to that.
insert into candles as c
    (market, interval_s, open_time, open_ticks, high_ticks, low_ticks, close_ticks, lots, trades)
select * from unnest($1::text[], $2::integer[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::bigint[],
                     $7::bigint[], $8::numeric[], $9::bigint[])
on conflict (market, interval_s, open_time) do update
set high_ticks = greatest(c.high_ticks, excluded.high_ticks), low_ticks = least(c.low_ticks, excluded.low_ticks),
    close_ticks = excluded.close_ticks, lots = c.lots + excluded.lots, trades = c.trades + excluded.trades
returning market, interval_s, open_time, open_ticks, high_ticks, low_ticks, close_ticks, lots, trades
