-- Orders and their fills, as their owners read them. Whoever placed an order for a customer may read it, too.

-- name: by_id
-- One statement sees one moment: an order never shows more or fewer fills than it counts.
select o.id, o.user_id, o.placed_by, o.market, o.kind, o.side, o.lots, o.quote_atoms, o.price_ticks, o.state, o.reason,
       o.filled_lots, o.filled_quote_atoms, o.seq, o.is_done, o.is_aggregated, o.batch_id, o.command_id,
       o.client_order_id, o.created_at, o.updated_at,
       f.id as fill_id, f.trade_seq, f.price_ticks as fill_price_ticks, f.lots as fill_lots, f.fee_atoms, f.is_maker, f.at
from orders o left join fills f on f.order_id = o.id
where o.id = any ($1::bigint[])
order by o.id, f.trade_seq

-- name: by_client_id
select subject_id from idempotency_keys where user_id = $1 and key = $2 and subject = 'order'

-- name: page
with chosen as (
    select * from orders
    where user_id = $1 and id < $2
      and ($4::text is null or market = $4) and ($5::text is null or state = $5)
      and ($6::boolean is null or is_done <> $6)
    order by id desc limit $3
)
select o.id, o.user_id, o.placed_by, o.market, o.kind, o.side, o.lots, o.quote_atoms, o.price_ticks, o.state, o.reason,
       o.filled_lots, o.filled_quote_atoms, o.seq, o.is_done, o.is_aggregated, o.batch_id, o.command_id,
       o.client_order_id, o.created_at, o.updated_at,
       f.id as fill_id, f.trade_seq, f.price_ticks as fill_price_ticks, f.lots as fill_lots, f.fee_atoms, f.is_maker, f.at
from chosen o left join fills f on f.order_id = o.id
order by o.id desc, f.trade_seq

-- name: open
-- What a cancel of all would reach: by market, oldest first.
select id, market, state, command_id from orders
where user_id = $1 and not is_done and kind <> 'purchase' and ($2::text is null or market = $2)
order by market, id

-- name: live
select id, user_id, state, seq from orders where user_id = any ($1::bigint[]) and not is_done

-- name: newest
select coalesce(max(id), 0) from orders where user_id = $1

-- name: placed_since
select o.user_id, o.id
from unnest($1::bigint[], $2::bigint[]) as s (user_id, id) join orders o on o.user_id = s.user_id and o.id > s.id

-- name: fills_page
select order_id, market, trade_seq, price_ticks, lots, side, fee_atoms, is_maker, at, id
from fills
where user_id = $1 and id < $2 and ($4::text is null or market = $4) and ($5::bigint is null or order_id = $5)
order by id desc limit $3

-- name: decided
select id from commands where id = any ($1::bigint[]) and state = 'decided'

-- name: outcome
select outcome, journal_partition, journal_offset from commands where id = $1 and state = 'decided'

-- name: last_price
select price_ticks from trades where market = $1 and kind = 'book' order by trade_seq desc limit 1
