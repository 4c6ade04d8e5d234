-- What of the books the topics tell: each query gives a table as rows with a name (`place`), and the columns that must be
-- the same however often the books are made again. `books.` stands for the schema. Commands that nobody has decided yet
-- are left out, with the orders and holds that they made: they may not be in the journal yet.

-- name: currencies
select code as place, name, scale from books.currencies

-- name: users
select id::text as place, username, name, is_admin, created_at from books.users

-- name: markets
select symbol as place, base, quote, partition, is_house, base_scale, quote_scale, tick_size, lot_size, lot_base_atoms,
       tick_lot_quote_atoms, status, maker_fee_bps, taker_fee_bps, band_bps, min_notional_atoms, house_price_ticks, version
from books.markets where version > 0

-- name: wallets
with undecided as (
    select o.user_id, o.hold_asset as asset, sum(o.held_remaining)::bigint as atoms
    from books.orders o join books.commands c on c.id = o.command_id
    where c.state = 'pending' group by 1, 2
), wallet as (
    select w.user_id, w.asset, w.available + coalesce(u.atoms, 0) as available, w.held - coalesce(u.atoms, 0) as held,
           w.pending
    from books.wallets w left join undecided u on u.user_id = w.user_id and u.asset = w.asset
)
select user_id || ' ' || asset as place, available, held, pending from wallet
where available <> 0 or held <> 0 or pending <> 0

-- name: system_accounts
select concat_ws(' ', account, market, asset) as place, balance from books.system_accounts where balance <> 0

-- name: transfers
select case when t.kind in ('deposit', 'withdrawal', 'adjustment') then t.id::text
            when t.trade_seq is not null then t.market || '-' || t.trade_seq
            else concat_ws(' ', t.kind, t.batch_id, (select min(p.order_id) from books.postings p where p.transfer_id = t.id))
       end as place,
       t.kind, t.requested_by, t.idempotency_key, t.market, t.seq, t.trade_seq, t.batch_id, t.note, t.created_at
from books.transfers t

-- name: postings
select concat_ws(' ', case when t.kind in ('deposit', 'withdrawal', 'adjustment') then t.id::text
                           when t.trade_seq is not null then t.market || '-' || t.trade_seq
                           else t.kind || ' ' || t.batch_id end,
                 p.account, p.user_id, p.market, p.asset, p.order_id, p.type) as place,
       sum(p.amount) as amount, count(*) as legs
from books.postings p join books.transfers t on t.id = p.transfer_id
group by 1

-- name: idempotency_keys
select k.user_id || ' ' || k.key as place, k.digest, k.subject, k.subject_id
from books.idempotency_keys k
where not (k.subject = 'order' and exists (select from books.orders o join books.commands c on c.id = o.command_id
                                           where o.id = k.subject_id and c.state = 'pending'))

-- name: orders
select o.id::text as place, o.user_id, o.market, o.kind, o.side, o.time_in_force, o.post_only, o.self_trade, o.lots,
       o.quote_atoms, o.price_ticks, o.hold_asset, o.hold_atoms, o.held_remaining, o.state, o.reason, o.filled_lots,
       o.filled_quote_atoms, o.seq, o.is_done, o.is_aggregated, o.batch_id, o.batch_line, o.command_id, o.placed_by,
       o.client_order_id, o.body_digest, o.updated_at
from books.orders o join books.commands c on c.id = o.command_id
where c.state <> 'pending'

-- name: commands
select id::text as place, market, number, kind, user_id, order_id, state, outcome, journal_partition, journal_offset,
       decided_at,
       case kind when 'open_market' then '{"status": "open", "maker_fee_bps": 0, "taker_fee_bps": 0, "band_bps": 0,
                                           "min_notional_atoms": 0, "rules_version": 1}'::jsonb
                 else '{}'::jsonb end || jsonb_strip_nulls(arguments) as arguments
from books.commands where state <> 'pending'

-- name: trades
select market || '-' || trade_seq as place, seq, kind, price_ticks, lots, quote_atoms, taker_side, taker_order_id,
       taker_user_id, taker_fee_atoms, maker_order_id, maker_user_id, maker_fee_atoms, at
from books.trades

-- name: batches
select id as place, market, number, lots, notional_atoms, topped_up_atoms, state, filled_atoms, charged_asset,
       charged_atoms, exchange_order_id, created_at, closed_at, settled_at
from books.batches

-- name: watermarks
select concat_ws(' ', topic, partition, market) as place, seq, source_offset, chain, next_offset
from books.watermarks where consumer = 'wallet'
