-- The hold of a batch of orders: look, decide, place; each of the two statements is whole by itself.

-- name: look
-- Wallets, keys used before and open orders, of one moment. Open orders are counted no further than the limit.
select 'wallet' as what, w.user_id, w.asset as name, w.available as number,
       null::text as digest, null::bigint as order_id, null::bigint as command_id
from unnest($1::bigint[], $2::text[]) as asked (user_id, asset)
join wallets w on w.user_id = asked.user_id and w.asset = asked.asset
union all
select 'key', k.user_id, k.key, null, k.digest, o.id, o.command_id
from unnest($3::bigint[], $4::text[]) as asked (user_id, key)
join idempotency_keys k on k.user_id = asked.user_id and k.key = asked.key
left join orders o on k.subject = 'order' and o.id = k.subject_id
union all
select 'open', asked.user_id, asked.market, counted.number, null, null, null
from unnest($5::bigint[], $6::text[]) as asked (user_id, market)
cross join lateral (
    select count(*) as number
    from (select from orders o where o.user_id = asked.user_id and o.market = asked.market and not o.is_done
          limit $7::bigint) as open) as counted

-- name: lock_users
-- Nobody else places for these users until the transaction ends.
select id from users where id = any ($1::bigint[]) order by id for no key update

-- name: lock_wallets
select from unnest($1::bigint[], $2::text[]) as asked (user_id, asset)
join wallets w on w.user_id = asked.user_id and w.asset = asked.asset
order by w.user_id, w.asset
for update of w

-- name: place
-- All that a batch writes: orders, commands, keys and the holds on the wallets. It fails as a whole when a key has
-- been used, a wallet would go below zero or a market is not there. Wallets are locked first, in the order of all.
with locked as materialized (
    select w.user_id
    from (select distinct user_id, asset from unnest($1::bigint[], $12::text[]) as l (user_id, asset)) as asked
    join wallets w on w.user_id = asked.user_id and w.asset = asked.asset
    order by w.user_id, w.asset
    for update of w
), asked as materialized (
    select l.*, nextval('orders_id_seq') as order_id, nextval('commands_id_seq') as command_id,
           next_command_number(m.id) as number, m.symbol as listed
    from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::boolean[], $8::text[],
                $9::bigint[], $10::bigint[], $11::bigint[], $12::text[], $13::bigint[], $14::text[], $15::text[])
         with ordinality as l (user_id, placed_by, market, kind, side, time_in_force, post_only, self_trade,
                               lots, quote_atoms, price_ticks, hold_asset, hold_atoms, key, digest, line)
    cross join (select count(*) from locked) as all_locked
    left join markets m on m.symbol = l.market
), ordered as (
    insert into orders (id, user_id, placed_by, market, kind, side, time_in_force, post_only, self_trade, lots,
                        quote_atoms, price_ticks, hold_asset, hold_atoms, held_remaining, command_id,
                        client_order_id, body_digest)
    overriding system value
    select order_id, user_id, placed_by, listed, kind, side, time_in_force, post_only, self_trade, lots,
           quote_atoms, price_ticks, hold_asset, hold_atoms, hold_atoms, command_id, key, digest
    from asked
), commanded as (
    insert into commands (id, market, number, kind, user_id, order_id)
    overriding system value
    select command_id, market, number, case kind when 'purchase' then 'buy_from_house' else 'place_order' end,
           user_id, order_id
    from asked
), keyed as (
    insert into idempotency_keys (user_id, key, digest, subject, subject_id)
    select coalesce(placed_by, user_id), key, digest, 'order', order_id from asked
    order by 1, 2  -- two batches that wait for each other's keys would be a deadlock
), held as (
    update wallets w set available = w.available - h.atoms, held = w.held + h.atoms
    from (select user_id, hold_asset as asset, sum(hold_atoms)::bigint as atoms from asked group by 1, 2) as h
    where w.user_id = h.user_id and w.asset = h.asset
)
select line, order_id, command_id, number from asked order by line
