-- How batches of purchases enter the books, in one transaction. Locks are taken in the order of all writers: watermark
-- rows, wallets by (user, asset), orders by id, batches, system accounts.

-- name: reached
-- How far the books follow the executions of these markets.
select market, seq from watermarks where consumer = $1 and topic = $2 and market = any ($3::text[])

-- name: buyers
select id, user_id, batch_id from orders where batch_id = any ($1::text[])

-- name: lock_purchases
select o.id, o.user_id, o.state, o.filled_lots * m.lot_base_atoms as base_atoms, o.filled_quote_atoms, o.is_aggregated,
       o.batch_id, o.batch_line, o.seq
from orders o join markets m on m.symbol = o.market
where o.id = any ($1::bigint[]) order by o.id for update of o

-- name: lock_batches
select id, market, number, lots, notional_atoms, topped_up_atoms, state, filled_atoms, charged_asset, charged_atoms,
       exchange_order_id, (extract(epoch from created_at) * 1000)::bigint as created_ms,
       (extract(epoch from closed_at) * 1000)::bigint as closed_ms,
       (extract(epoch from settled_at) * 1000)::bigint as settled_ms
from batches where id = any ($1::text[]) order by id for update

-- name: save_batches
insert into batches (id, market, number, lots, notional_atoms, topped_up_atoms, state, filled_atoms, charged_asset,
                     charged_atoms, exchange_order_id, created_at, closed_at, settled_at)
select id, market, number, lots, notional_atoms, topped_up_atoms, state, filled_atoms, charged_asset, charged_atoms,
       exchange_order_id, 'epoch'::timestamptz + created_ms * interval '1 millisecond',
       'epoch'::timestamptz + closed_ms * interval '1 millisecond',
       'epoch'::timestamptz + settled_ms * interval '1 millisecond'
from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::bigint[],
            $9::text[], $10::bigint[], $11::text[], $12::bigint[], $13::bigint[], $14::bigint[])
    as b (id, market, number, lots, notional_atoms, topped_up_atoms, state, filled_atoms, charged_asset, charged_atoms,
          exchange_order_id, created_ms, closed_ms, settled_ms)
order by id
on conflict (id) do update
set lots = excluded.lots, notional_atoms = excluded.notional_atoms, topped_up_atoms = excluded.topped_up_atoms,
    state = excluded.state, filled_atoms = excluded.filled_atoms, charged_asset = excluded.charged_asset,
    charged_atoms = excluded.charged_atoms, exchange_order_id = excluded.exchange_order_id,
    closed_at = excluded.closed_at, settled_at = excluded.settled_at

-- name: set_purchases
update orders o
set state = n.state, is_aggregated = n.is_aggregated, batch_id = n.batch_id, batch_line = n.batch_line, seq = n.seq,
    updated_at = 'epoch'::timestamptz + n.at_ms * interval '1 millisecond'
from unnest($1::bigint[], $2::text[], $3::boolean[], $4::text[], $5::integer[], $6::bigint[], $7::bigint[])
    as n (id, state, is_aggregated, batch_id, batch_line, seq, at_ms)
where o.id = n.id

-- name: add_transfers
insert into transfers (id, kind, market, batch_id, created_at) overriding system value
select id, kind, market, batch_id, 'epoch'::timestamptz + at_ms * interval '1 millisecond'
from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[]) as t (id, kind, market, batch_id, at_ms)
order by id

-- name: lock_wallets
select w.user_id, w.asset
from unnest($1::bigint[], $2::text[]) as k (user_id, asset)
join wallets w on w.user_id = k.user_id and w.asset = k.asset
order by w.user_id, w.asset for update of w

-- name: add_wallets
insert into wallets (user_id, asset)
select user_id, asset from unnest($1::bigint[], $2::text[]) as k (user_id, asset) order by user_id, asset
on conflict do nothing

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

-- name: add_postings
insert into postings (transfer_id, account, asset, amount, user_id, market, order_id, type)
select transfer_id, account, asset, amount, user_id, market, order_id, type
from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::bigint[], $8::text[])
    with ordinality as p (transfer_id, account, asset, amount, user_id, market, order_id, type, line)
order by line
