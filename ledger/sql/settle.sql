-- How a run of executions enters the books, in one transaction. Locks are taken in the order of all writers:
-- watermark rows, wallets by (user, asset), orders by id.

-- name: assets
select symbol, base, quote from markets where symbol = any ($1::text[])

-- name: lock_wallets
select w.user_id, w.asset
from unnest($1::bigint[], $2::text[]) as k (user_id, asset)
join wallets w on w.user_id = k.user_id and w.asset = k.asset
order by w.user_id, w.asset for update of w

-- name: add_wallets
insert into wallets (user_id, asset)
select user_id, asset from unnest($1::bigint[], $2::text[]) as k (user_id, asset) order by user_id, asset
on conflict do nothing

-- name: lock_orders
select id, user_id, side, state, lots, filled_lots, filled_quote_atoms, held_remaining, reason
from orders where id = any ($1::bigint[]) order by id for update

-- name: pending_commands
select id, order_id from commands where id = any ($1::bigint[]) and state = 'pending'

-- name: transfer_ids
select nextval(pg_get_serial_sequence('transfers', 'id')) from generate_series(1, $1)

-- name: move_wallets
update wallets w
set available = w.available + d.available, held = w.held + d.held, pending = w.pending + d.pending
from unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[])
    as d (user_id, asset, available, held, pending)
where w.user_id = d.user_id and w.asset = d.asset

-- name: move_system_accounts
insert into system_accounts as s (account, market, asset, balance)
select account, market, asset, delta
from unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) as d (account, market, asset, delta)
order by account, market, asset
on conflict (account, market, asset) do update set balance = s.balance + excluded.balance

-- name: set_orders
update orders o
set state = n.state, reason = n.reason, lots = n.lots, filled_lots = n.filled_lots,
    filled_quote_atoms = n.filled_quote_atoms, held_remaining = n.held_remaining, seq = n.seq,
    updated_at = 'epoch'::timestamptz + n.at_ms * interval '1 millisecond'
from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
            $8::bigint[], $9::bigint[])
    as n (id, state, reason, lots, filled_lots, filled_quote_atoms, held_remaining, seq, at_ms)
where o.id = n.id

-- name: decide_commands
update commands c
set state = 'decided', outcome = n.outcome, journal_partition = n.partition, journal_offset = n.journal_offset,
    decided_at = 'epoch'::timestamptz + n.at_ms * interval '1 millisecond'
from unnest($1::bigint[], $2::text[], $3::integer[], $4::bigint[], $5::bigint[])
    as n (id, outcome, partition, journal_offset, at_ms)
where c.id = n.id

-- name: change_markets
update markets m
set version = n.version, status = coalesce(n.status, m.status),
    maker_fee_bps = coalesce(n.maker_fee_bps, m.maker_fee_bps),
    taker_fee_bps = coalesce(n.taker_fee_bps, m.taker_fee_bps), band_bps = coalesce(n.band_bps, m.band_bps),
    min_notional_atoms = coalesce(n.min_notional_atoms, m.min_notional_atoms),
    house_price_ticks = coalesce(n.house_price_ticks, m.house_price_ticks)
from unnest($1::text[], $2::bigint[], $3::text[], $4::integer[], $5::integer[], $6::integer[], $7::bigint[],
            $8::bigint[])
    as n (symbol, version, status, maker_fee_bps, taker_fee_bps, band_bps, min_notional_atoms, house_price_ticks)
where m.symbol = n.symbol

-- name: add_trades
-- Each trade is a transfer of the same id.
with trade as (
    insert into trades (id, market, trade_seq, seq, kind, price_ticks, lots, quote_atoms, taker_side, taker_order_id,
                        taker_user_id, taker_fee_atoms, maker_order_id, maker_user_id, maker_fee_atoms, at)
    select id, market, trade_seq, seq, kind, price_ticks, lots, quote_atoms, taker_side, taker_order_id, taker_user_id,
           taker_fee_atoms, maker_order_id, maker_user_id, maker_fee_atoms,
           'epoch'::timestamptz + at_ms * interval '1 millisecond'
    from unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[],
                $8::bigint[], $9::text[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[],
                $15::bigint[], $16::bigint[])
        as t (id, market, trade_seq, seq, kind, price_ticks, lots, quote_atoms, taker_side, taker_order_id,
              taker_user_id, taker_fee_atoms, maker_order_id, maker_user_id, maker_fee_atoms, at_ms)
    returning id, market, seq, trade_seq, kind, at
)
insert into transfers (id, kind, market, seq, trade_seq, created_at) overriding system value
select id, case kind when 'house' then 'purchase' else 'trade' end, market, seq, trade_seq, at from trade order by id

-- name: add_postings
insert into postings (transfer_id, account, user_id, market, asset, amount, order_id, type)
select transfer_id, account, user_id, market, asset, amount, order_id, type
from unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::text[])
    with ordinality as p (transfer_id, account, user_id, market, asset, amount, order_id, type, line)
order by line
