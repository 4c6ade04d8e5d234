-- The desk's own table, and what it reads of the others.

-- name: due
-- Closed batches whose every order is sent in the books, and that nobody is asking about. After the expiry of an attempt
-- there is a margin ($2, in milliseconds) for clocks that differ. What the caller is at ($3) is left out.
select b.id, b.market, m.base, m.quote, m.base_scale, m.quote_scale, m.partition, b.lots, b.notional_atoms,
       m.tick_size, m.lot_size, coalesce(a.attempts, 0) as attempts, a.verdict::text as verdict
from batches b
join markets m on m.symbol = b.market
left join batch_attempts a on a.batch_id = b.id
where b.state = 'closed' and a.told_at is null and b.id <> all ($3::text[])
  and (a.batch_id is null or a.verdict is not null or a.expires_at + $2::integer * interval '1 millisecond' < now())
  and not exists (select from orders o where o.batch_id = b.id and o.state <> 'sent')
order by b.closed_at limit $1

-- name: waiting
select count(*) from batches where state = 'closed'

-- name: intend
-- Nobody else may send until this attempt has expired; no row when somebody is ahead of us.
insert into batch_attempts as a (batch_id, exchange, expires_at)
values ($1, $2, now() + $3::integer * interval '1 millisecond')
on conflict (batch_id) do update
set attempts = a.attempts + 1, exchange = excluded.exchange, expires_at = excluded.expires_at
where a.verdict is null and a.expires_at + $4::integer * interval '1 millisecond' < now()
returning (extract(epoch from expires_at) * 1000)::bigint as expires_ms, attempts

-- name: decide
-- The first word stays.
update batch_attempts set verdict = coalesce(verdict, $2::text::jsonb), last_error = null where batch_id = $1
returning verdict::text

-- name: complain
update batch_attempts set last_error = $2 where batch_id = $1 and verdict is null

-- name: told
update batch_attempts set told_at = now() where batch_id = $1

-- name: resolve
-- A person has asked the exchange, and says what it said. Not while an attempt may still be under way.
insert into batch_attempts as a (batch_id, exchange, expires_at, attempts, verdict, resolved_by)
values ($1, 'by hand', now(), 0, $2::text::jsonb, $3)
on conflict (batch_id) do update set verdict = excluded.verdict, resolved_by = excluded.resolved_by
where a.verdict is null and a.expires_at + $4::integer * interval '1 millisecond' < now()
returning batch_id

-- name: batches
-- One batch ($1), or those before a place in the list ($2, $3), with the house's account of each.
select b.id, b.market, m.base, m.quote, m.base_scale, m.quote_scale, b.lots * m.lot_base_atoms as base_atoms,
       b.notional_atoms, b.topped_up_atoms,
       case when b.state = 'closed' and a.batch_id is not null then 'sending' else b.state end as state,
       coalesce(a.attempts, 0) as attempts, a.last_error, a.resolved_by, b.exchange_order_id, b.filled_atoms,
       b.charged_asset, b.charged_atoms, b.created_at, b.closed_at, b.settled_at, o.orders, o.paid_atoms,
       o.lots * m.lot_base_atoms as delivered_atoms
from batches b
join markets m on m.symbol = b.market
left join batch_attempts a on a.batch_id = b.id
cross join lateral (
    select coalesce(array_agg(o.id order by o.batch_line, o.id), '{}') as orders,
           coalesce(sum(o.filled_quote_atoms) filter (where o.state = 'completed'), 0)::bigint as paid_atoms,
           coalesce(sum(o.filled_lots) filter (where o.state = 'completed'), 0)::bigint as lots
    from orders o where o.batch_id = b.id
) o
where ($1::text is null or b.id = $1)
  and ($2::timestamptz is null or (b.created_at, b.id) < ($2, $3::text collate "C"))
order by b.created_at desc, b.id desc limit $4
