-- Trades and candles as everybody sees them.

-- name: trades
select trade_seq, kind, price_ticks, lots, taker_side, at from trades
where market = $1 and trade_seq < $2 order by trade_seq desc limit $3

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
