-- The desk's own table, and what it reads of the others.

-- name: due
-- Closed batches whose every order is sent in the books, and that nobody is asking about. After the expiry of an attempt
-- there is a margin for clocks that differ.
select b.id, b.market, m.base, m.quote, m.base_scale, m.quote_scale, m.partition, b.lots * m.lot_base_atoms as base_atoms,
       m.house_price_ticks, m.tick_size, m.lot_size, coalesce(a.attempts, 0) as attempts, a.verdict::text as verdict
from batches b
join markets m on m.symbol = b.market
left join batch_attempts a on a.batch_id = b.id
where b.state = 'closed' and a.told_at is null
  and (a.batch_id is null or a.verdict is not null or a.expires_at + interval '2 seconds' < now())
  and not exists (select from orders o where o.batch_id = b.id and o.state <> 'sent')
order by b.closed_at limit $1

-- name: intend
-- Nobody else may send until this attempt has expired; no row when somebody is ahead of us.
insert into batch_attempts as a (batch_id, exchange, expires_at)
values ($1, $2, now() + $3::integer * interval '1 millisecond')
on conflict (batch_id) do update
set attempts = a.attempts + 1, exchange = excluded.exchange, expires_at = excluded.expires_at
where a.verdict is null and a.expires_at + interval '2 seconds' < now()
returning (extract(epoch from expires_at) * 1000)::bigint as expires_ms, attempts

-- name: decide
-- The first word stays.
update batch_attempts set verdict = $2::text::jsonb, last_error = null where batch_id = $1 and verdict is null

-- name: complain
update batch_attempts set last_error = $2 where batch_id = $1 and verdict is null

-- name: told
update batch_attempts set told_at = now() where batch_id = $1

-- name: resolve
-- A person has asked the exchange, and says what it said. Not while an attempt may still be under way.
insert into batch_attempts as a (batch_id, exchange, expires_at, attempts, verdict, resolved_by)
values ($1, 'by hand', now(), 0, $2::text::jsonb, $3)
on conflict (batch_id) do update set verdict = excluded.verdict, resolved_by = excluded.resolved_by
where a.verdict is null and a.expires_at + interval '2 seconds' < now()
returning batch_id

-- name: batches
select b.id, b.market, m.base as crypto, b.lots * m.lot_base_atoms as base_atoms, b.notional_atoms, b.topped_up_atoms,
       m.base_scale, m.quote_scale, case when b.state = 'closed' and a.batch_id is not null then 'sending' else b.state end
           as state,
       coalesce(a.attempts, 0) as attempts, a.last_error, a.resolved_by, b.exchange_order_id, b.filled_atoms,
       b.charged_asset, b.charged_atoms, b.created_at, b.closed_at, b.settled_at,
       array(select o.id from orders o where o.batch_id = b.id order by o.batch_line) as orders
from batches b
join markets m on m.symbol = b.market
left join batch_attempts a on a.batch_id = b.id
where $1::text is null or b.id = $1
order by b.created_at desc, b.id limit $2
