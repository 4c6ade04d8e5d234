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

-- name: I9_orders
-- An order is filled by as much as its trades say.
select 'order ' || o.id as place, concat_ws(' ', coalesce(f.lots, 0), coalesce(f.quote_atoms, 0)) as expected,
       concat_ws(' ', o.filled_lots, o.filled_quote_atoms) as found
from orders o
left join (select order_id, sum(lots) as lots, sum(quote_atoms) as quote_atoms from fills group by order_id) f
    on f.order_id = o.id
where coalesce(f.lots, 0) <> o.filled_lots or coalesce(f.quote_atoms, 0) <> o.filled_quote_atoms
union all
select 'trade ' || f.market || '-' || f.trade_seq, 'order ' || f.order_id || ' of user ' || f.user_id, 'none'
from fills f
where not exists (select from orders o where o.id = f.order_id and o.user_id = f.user_id
                  and o.market = f.market and o.side = f.side)
order by 1

-- name: I9_values
-- A trade is worth what its price and size say, to the atom.
select 'trade ' || t.market || '-' || t.trade_seq as place,
       (t.price_ticks::numeric * t.lots * m.tick_lot_quote_atoms)::text as expected, t.quote_atoms::text as found
from trades t join markets m on m.symbol = t.market
where t.price_ticks::numeric * t.lots * m.tick_lot_quote_atoms <> t.quote_atoms
order by 1

-- name: I9_legs
-- Both sides of a trade are in its transfer, with what they gave, got and paid as a fee.
with asked as (
    select f.id, f.market, f.trade_seq, f.order_id, f.user_id, l.account, l.asset, l.amount
    from fills f join trades t on t.id = f.id join markets m on m.symbol = f.market
    cross join lateral (values
        (case t.kind when 'house' then 'pending' else 'wallet' end, m.base,
         case f.side when 'buy' then f.lots::numeric * m.lot_base_atoms - f.fee_atoms
                     else -f.lots::numeric * m.lot_base_atoms end),
        ('wallet', m.quote,
         case f.side when 'buy' then -f.quote_atoms::numeric else f.quote_atoms::numeric - f.fee_atoms end)
    ) as l (account, asset, amount)
    where l.amount <> 0
), booked as (
    select p.transfer_id as id, t.market, t.trade_seq, p.order_id, p.user_id, p.account, p.asset, sum(p.amount) as amount
    from postings p join transfers t on t.id = p.transfer_id
    where t.kind in ('trade', 'purchase') and p.user_id is not null
    group by 1, 2, 3, 4, 5, 6, 7
    having sum(p.amount) <> 0
)
select concat('trade ', market, '-', trade_seq, ' order ', order_id, ' ', account, ' ', asset) as place,
       coalesce(a.amount, 0)::text as expected, coalesce(b.amount, 0)::text as found
from asked a full join booked b using (id, market, trade_seq, order_id, user_id, account, asset)
where coalesce(a.amount, 0) <> coalesce(b.amount, 0)
order by 1

-- name: I10
-- The trades of a market are numbered without a gap.
select market as place, count(*)::text as expected, max(trade_seq)::text as found
from trades group by market having count(*) <> max(trade_seq)
order by market
