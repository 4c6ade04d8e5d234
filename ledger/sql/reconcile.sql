-- Proofs that the books are right. Each query returns what contradicts its invariant: nothing, when all is well.
-- `place` says where, `expected` and `found` what; sums are numeric, so that they cannot overflow.

-- name: I1
-- Per asset: what users own and what the exchange's accounts hold cancel out, to the atom.
select asset as place, 0::text as expected, sum(amount)::text as found
from (select asset, available::numeric + held + pending as amount from wallets
      union all
      select asset, balance from system_accounts) all_accounts
group by asset having sum(amount) <> 0
order by asset

-- name: I2
select user_id || ' ' || asset as place, '0 or more' as expected, concat_ws(' ', available, held, pending) as found
from wallets where least(available, held, pending) < 0
order by user_id, asset

-- name: I3_transfers
-- The legs of every transfer sum to zero per asset, and there are legs.
select 'transfer ' || transfer_id || ' ' || asset as place, 0::text as expected, sum(amount)::text as found
from postings group by transfer_id, asset having sum(amount) <> 0
union all
select 'transfer ' || t.id, 'legs', 'none' from transfers t
where not exists (select from postings p where p.transfer_id = t.id)
union all
select 'posting ' || p.id, 'transfer ' || p.transfer_id, 'none' from postings p
where not exists (select from transfers t where t.id = p.transfer_id)
order by 1

-- name: I3_wallets
-- A wallet is the sum of its legs.
select coalesce(w.user_id, p.user_id) || ' ' || coalesce(w.asset, p.asset) as place,
       concat_ws(' ', coalesce(p.owned, 0), coalesce(p.pending, 0)) as expected,
       concat_ws(' ', coalesce(w.available::numeric + w.held, 0), coalesce(w.pending, 0)) as found
from wallets w
full join (select user_id, asset,
                  coalesce(sum(amount) filter (where account = 'wallet'), 0) as owned,
                  coalesce(sum(amount) filter (where account = 'pending'), 0) as pending
           from postings where user_id is not null group by user_id, asset) p
    on p.user_id = w.user_id and p.asset = w.asset
where coalesce(p.owned, 0) <> coalesce(w.available::numeric + w.held, 0)
   or coalesce(p.pending, 0) <> coalesce(w.pending, 0)
order by 1

-- name: I3_system
-- And so is each account of the exchange.
select concat_ws(' ', coalesce(s.account, p.account), coalesce(s.market, p.market), coalesce(s.asset, p.asset)) as place,
       coalesce(p.amount, 0)::text as expected, coalesce(s.balance, 0)::text as found
from system_accounts s
full join (select account, coalesce(market, '') as market, asset, sum(amount) as amount
           from postings where user_id is null group by 1, 2, 3) p
    on p.account = s.account and p.market = s.market and p.asset = s.asset
where coalesce(p.amount, 0) <> coalesce(s.balance, 0)
order by 1

-- name: I4
-- What a wallet holds is what its open orders need.
select coalesce(w.user_id, o.user_id) || ' ' || coalesce(w.asset, o.asset) as place,
       coalesce(o.held, 0)::text as expected, coalesce(w.held, 0)::text as found
from wallets w
full join (select user_id, hold_asset as asset, sum(held_remaining) as held
           from orders where held_remaining > 0 group by 1, 2) o
    on o.user_id = w.user_id and o.asset = w.asset
where coalesce(o.held, 0) <> coalesce(w.held, 0)
order by 1

-- name: I7
-- Every order and every transfer with a key is what its key says, and nothing else has that key.
select 'key ' || k.key || ' of user ' || k.user_id as place, k.subject || ' ' || k.subject_id as expected,
       coalesce('order ' || o.id, 'transfer ' || t.id, 'none') as found
from idempotency_keys k
left join orders o on k.subject = 'order' and o.id = k.subject_id
    and o.client_order_id = k.key and o.body_digest = k.digest and k.user_id = coalesce(o.placed_by, o.user_id)
left join transfers t on k.subject = 'transfer' and t.id = k.subject_id
    and t.idempotency_key = k.key and t.requested_by = k.user_id
where k.subject <> 'user' and o.id is null and t.id is null
union all
select 'order ' || o.id, 'its key', 'none' from orders o
where not exists (select from idempotency_keys k where k.user_id = coalesce(o.placed_by, o.user_id)
    and k.key = o.client_order_id and k.subject = 'order' and k.subject_id = o.id)
union all
select 'transfer ' || t.id, 'its key', 'none' from transfers t
where t.idempotency_key is not null
  and not exists (select from idempotency_keys k where k.user_id = t.requested_by
    and k.key = t.idempotency_key and k.subject = 'transfer' and k.subject_id = t.id)
order by 1
