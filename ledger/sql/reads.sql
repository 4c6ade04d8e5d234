-- What clients read of the books. Lists go from the newest back: $2 is the id before which to go on.

-- name: wallets
select user_id, asset, available, held, pending from wallets where user_id = any ($1::bigint[]) order by user_id, asset

-- name: transactions
select id, type, asset, amount, order_id, created_at from transactions
where user_id = $1 and id < $2 order by id desc limit $3

-- name: transaction
select id, type, asset, amount, order_id, created_at from transactions where user_id = $1 and id = $2

-- name: listing_version
-- Rows are never removed, and a market's version only rises, with each change of it.
select (count(*) + coalesce(sum(version), 0) + (select count(*) from currencies))::bigint as version,
       (extract(epoch from greatest(max(created_at), (select max(created_at) from currencies))) * 1000000)::bigint
           as newest_us
from markets

-- name: currencies
select code, name, scale from currencies order by code

-- name: markets
select id, symbol, base, quote, partition, is_house, base_scale, quote_scale, tick_size, lot_size, status,
       maker_fee_bps, taker_fee_bps, band_bps, min_notional_atoms, house_price_ticks, version
from markets order by symbol

-- name: command
-- Of the user himself, or one that he gave for a customer.
select c.id, c.kind, c.state, c.outcome, c.order_id, c.journal_partition, c.journal_offset
from commands c left join orders o on o.id = c.order_id
where c.id = $1 and (c.user_id = $2 or o.placed_by = $2)

-- name: customers
select u.id, u.name, w.available, u.created_at
from users u join wallets w on w.user_id = u.id and w.asset = $1
where u.username is null and u.id < $2 order by u.id desc limit $3

-- name: customer
select u.id, u.name, w.available, u.created_at
from users u join wallets w on w.user_id = u.id and w.asset = $1
where u.username is null and u.id = $2

-- name: order_stats
select (o.created_at at time zone 'UTC')::date as day, o.kind = 'purchase' as is_purchase, m.quote as asset,
       count(*) as count, sum(o.filled_quote_atoms)::bigint as volume
from orders o join markets m on m.symbol = o.market
where o.user_id = $1 group by 1, 2, 3 order by 1 desc, 2, 3

-- name: trade_stats
select (f.at at time zone 'UTC')::date as day, m.quote as asset, count(*) as count, sum(f.quote_atoms)::bigint as volume
from fills f join markets m on m.symbol = f.market
where f.user_id = $1 group by 1, 2 order by 1 desc, 2
