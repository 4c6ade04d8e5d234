-- Proofs that the books are right. Each query returns what contradicts its invariant: nothing, when all is well.
-- `place` says where, `expected` and `found` what; the other columns name it for whoever looks for where it began.
-- Sums are numeric, so that they cannot overflow.

-- name: counts
select (select count(distinct asset) from wallets) as assets, (select count(*) from wallets) as wallets,
       (select count(*) from transfers) as transfers, (select count(*) from orders) as orders,
       (select count(*) from trades) as trades, (select count(*) from batches) as batches

-- name: I1
-- Per asset: what users own and what the exchange's accounts hold cancel out, to the atom.
select 'all ' || asset as place, 0::text as expected, sum(amount)::text as found, asset
from (select asset, available::numeric + held + pending as amount from wallets
      union all
      select asset, balance from system_accounts) all_accounts
group by asset having sum(amount) <> 0
order by asset

-- name: I2
select 'wallet of user ' || user_id || ' in ' || asset as place, '0 or more' as expected,
       concat_ws(' ', available, held, pending) as found, 'wallet' as account, user_id, asset
from wallets where least(available, held, pending) < 0
order by user_id, asset

-- name: I3_transfers
-- The legs of every transfer sum to zero per asset, and there are legs.
select 'transfer ' || transfer_id || ' in ' || asset as place, 0::text as expected, sum(amount)::text as found,
       transfer_id, asset, null as user_id
from postings group by transfer_id, asset having sum(amount) <> 0
union all
select 'transfer ' || t.id, 'legs', 'none', t.id, null, t.requested_by from transfers t
where not exists (select from postings p where p.transfer_id = t.id)
union all
select 'posting ' || p.id, 'transfer ' || p.transfer_id, 'none', p.transfer_id, p.asset, null from postings p
where not exists (select from transfers t where t.id = p.transfer_id)
order by transfer_id, place

-- name: I3_accounts
-- An account is the sum of its legs: a user's wallet (what is available and what is held), what is pending for him, and
-- each account of the exchange.
with balance as (
    select 'wallet' as account, user_id, '' as market, asset, available::numeric + held as amount from wallets
    union all
    select 'pending', user_id, '', asset, pending from wallets where pending <> 0
    union all
    select account, 0, market, asset, balance from system_accounts
), posted as (
    select account, coalesce(user_id, 0) as user_id, coalesce(market, '') as market, asset, sum(amount) as amount
    from postings group by 1, 2, 3, 4
)
select concat(account, ' of user ' || nullif(user_id, 0), ' of ' || nullif(market, ''), ' in ', asset) as place,
       coalesce(p.amount, 0)::text as expected, coalesce(b.amount, 0)::text as found, account,
       nullif(user_id, 0) as user_id, nullif(market, '') as market, asset
from balance b full join posted p using (account, user_id, market, asset)
where coalesce(b.amount, 0) <> coalesce(p.amount, 0)
order by asset, user_id, account, market

-- name: I4_orders
-- What an order still needs at its own price is what it holds.
with order_needs as (
    select o.*, case
        when o.is_done or o.kind = 'purchase' and o.filled_lots > 0 then 0
        when o.quote_atoms is not null then o.quote_atoms::numeric - o.filled_quote_atoms
        when o.side = 'sell' then (o.lots::numeric - o.filled_lots) * m.lot_base_atoms
        else (o.lots::numeric - o.filled_lots) * o.price_ticks * m.tick_lot_quote_atoms end as needed
    from orders o join markets m on m.symbol = o.market
)
select 'hold of order ' || id as place, needed::text as expected, held_remaining::text as found,
       user_id, market, hold_asset as asset, id as order_id
from order_needs where needed <> held_remaining
order by id

-- name: I4_wallets
-- What a wallet holds is what its open orders hold.
select 'hold of user ' || user_id || ' in ' || asset as place, coalesce(o.held, 0)::text as expected,
       coalesce(w.held, 0)::text as found, user_id, asset
from wallets w
full join (select user_id, hold_asset as asset, sum(held_remaining) as held
           from orders where held_remaining > 0 group by 1, 2) o using (user_id, asset)
where coalesce(o.held, 0) <> coalesce(w.held, 0)
order by user_id, asset

-- name: I7
-- Every order, transfer and change with a key is what its key says, and nothing else has that key.
select 'key ' || k.key || ' of user ' || k.user_id as place, k.subject || ' ' || k.subject_id as expected,
       'none' as found, k.user_id,
       case k.subject when 'order' then k.subject_id end as order_id,
       case k.subject when 'transfer' then k.subject_id end as transfer_id
from idempotency_keys k
left join orders o on k.subject = 'order' and o.id = k.subject_id
    and o.client_order_id = k.key and o.body_digest = k.digest and k.user_id = coalesce(o.placed_by, o.user_id)
left join transfers t on k.subject = 'transfer' and t.id = k.subject_id
    and t.idempotency_key = k.key and t.requested_by = k.user_id
left join commands c on k.subject = 'command' and c.id = k.subject_id
    and c.arguments ->> 'key' = k.key and c.arguments ->> 'body_digest' = k.digest
    and coalesce((c.arguments ->> 'placed_by')::bigint, c.user_id) = k.user_id
where k.subject <> 'user' and o.id is null and t.id is null and c.id is null
union all
select 'order ' || o.id, 'its key', 'none', o.user_id, o.id, null from orders o
where not exists (select from idempotency_keys k where k.user_id = coalesce(o.placed_by, o.user_id)
    and k.key = o.client_order_id and k.subject = 'order' and k.subject_id = o.id)
union all
select 'transfer ' || t.id, 'its key', 'none', t.requested_by, null, t.id from transfers t
where t.idempotency_key is not null
  and not exists (select from idempotency_keys k where k.user_id = t.requested_by
    and k.key = t.idempotency_key and k.subject = 'transfer' and k.subject_id = t.id)
union all
select 'command ' || c.id, 'its key', 'none', c.user_id, c.order_id, null from commands c
where c.arguments ? 'key'
  and not exists (select from idempotency_keys k
    where k.user_id = coalesce((c.arguments ->> 'placed_by')::bigint, c.user_id) and k.key = c.arguments ->> 'key' and k.subject = 'command' and k.subject_id = c.id)
order by 1

-- name: I8
-- The state of an order fits what was filled of it.
select 'state of order ' || id as place, 'one with ' || concat_ws(' of ', filled_lots, lots) || ' lots filled' as expected,
       state as found, user_id, market, id as order_id
from orders
where not case
    when state in ('open', 'rejected') then filled_lots = 0
    when state = 'pending' then filled_lots = 0 or kind = 'purchase' and filled_lots = lots
    when state = 'partially_filled' then filled_lots > 0 and (lots is null or filled_lots < lots)
    when state = 'filled' then filled_lots > 0 and (lots is null or filled_lots = lots)
    when state in ('canceled', 'expired') then lots is null or filled_lots < lots
    else filled_lots = lots end
order by id

-- name: I9_orders
-- An order is filled by as much as its trades say.
select 'fills of order ' || o.id as place, concat_ws(' ', coalesce(f.lots, 0), coalesce(f.quote_atoms, 0)) as expected,
       concat_ws(' ', o.filled_lots, o.filled_quote_atoms) as found, o.user_id, o.market, o.id as order_id
from orders o
left join (select order_id, sum(lots) as lots, sum(quote_atoms) as quote_atoms from fills group by order_id) f
    on f.order_id = o.id
where coalesce(f.lots, 0) <> o.filled_lots or coalesce(f.quote_atoms, 0) <> o.filled_quote_atoms
order by o.id

-- name: I9_sides
-- Either side of a trade is an order of that user, in that market, on that side.
select 'trade ' || f.market || '-' || f.trade_seq as place, concat('order ', f.order_id, ' of user ', f.user_id) as expected,
       'none' as found, f.id as transfer_id, f.user_id, f.market
from fills f
where not exists (select from orders o where o.id = f.order_id and o.user_id = f.user_id
                  and o.market = f.market and o.side = f.side)
order by f.id, f.order_id

-- name: I9_values
-- A trade is worth what its price and size say, to the atom.
select 'trade ' || t.market || '-' || t.trade_seq as place,
       (t.price_ticks::numeric * t.lots * m.tick_lot_quote_atoms)::text as expected, t.quote_atoms::text as found,
       t.id as transfer_id, t.market, m.quote as asset
from trades t join markets m on m.symbol = t.market
where t.price_ticks::numeric * t.lots * m.tick_lot_quote_atoms <> t.quote_atoms
order by t.id

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
       coalesce(a.amount, 0)::text as expected, coalesce(b.amount, 0)::text as found,
       id as transfer_id, order_id, account, user_id, market, asset
from asked a full join booked b using (id, market, trade_seq, order_id, user_id, account, asset)
where coalesce(a.amount, 0) <> coalesce(b.amount, 0)
order by id, order_id, account, asset

-- name: I10
-- The trades of a market are numbered without a gap, in the order of the executions that they come from.
select 'trades of ' || market as place, concat('number ', coalesce(before, 0) + 1) as expected,
       concat('number ', trade_seq, case when seq < seq_before then ', from before the one before it' end) as found,
       id as transfer_id, market
from (select id, market, trade_seq, seq, lag(trade_seq) over numbered as before, lag(seq) over numbered as seq_before
      from trades window numbered as (partition by market order by trade_seq)) t
where trade_seq <> coalesce(before, 0) + 1 or seq < seq_before
order by market, trade_seq

-- name: I15_pending
-- What is pending for a user is what his purchases wait for.
select 'pending of user ' || user_id || ' in ' || asset as place, coalesce(o.atoms, 0)::text as expected,
       coalesce(w.pending, 0)::text as found, 'pending' as account, user_id, asset
from wallets w
full join (select o.user_id, m.base as asset, sum(o.filled_lots::numeric * m.lot_base_atoms) as atoms
           from orders o join markets m on m.symbol = o.market
           where o.kind = 'purchase' and not o.is_done and o.filled_lots > 0 group by 1, 2) o using (user_id, asset)
where coalesce(o.atoms, 0) <> coalesce(w.pending, 0)
order by user_id, asset

-- name: I15_purchases
-- A purchase goes the way of its batch, and ends in one delivery or one refund.
select 'purchase ' || o.id as place, 'as ' || o.state as expected,
       concat_ws(', ', coalesce(ended.kinds, 'neither delivered nor refunded'), 'batch ' || b.state) as found,
       o.user_id, o.market, m.base as asset, o.id as order_id
from orders o
join markets m on m.symbol = o.market
left join batches b on b.id = o.batch_id
left join (select p.order_id, string_agg(t.kind, ' ' order by t.id) as kinds
           from postings p join transfers t on t.id = p.transfer_id
           where p.account = 'pending' and t.kind in ('delivery', 'refund') group by p.order_id) ended on ended.order_id = o.id
where o.kind = 'purchase' and not (
    coalesce(ended.kinds, '') = case o.state when 'completed' then 'delivery' when 'refunded' then 'refund' else '' end
    and coalesce(b.state, 'none') = any (case o.state
        when 'aggregated' then '{open}' when 'sent' then '{closed}' when 'completed' then '{filled}'
        when 'refunded' then '{filled,failed}' else '{none}' end::text[]))
order by o.id

-- name: I15_batches
-- What was bought for a batch was delivered, or is inventory.
select 'batch ' || b.id as place, coalesce(b.filled_atoms, 0)::text as expected,
       concat_ws(' ', coalesce(moved.bought, 0), coalesce(moved.kept, 0)) as found, b.market, m.base as asset, b.id as batch_id
from batches b
join markets m on m.symbol = b.market
left join (select t.batch_id, p.asset, -sum(p.amount) filter (where p.account = 'exchange_payable') as bought,
                  sum(p.amount) filter (where p.account = 'inventory' or p.account = 'wallet' and t.kind = 'delivery') as kept
           from postings p join transfers t on t.id = p.transfer_id
           where t.batch_id is not null group by t.batch_id, p.asset) moved
    on moved.batch_id = b.id and moved.asset = m.base
where coalesce(b.filled_atoms, 0) <> coalesce(moved.bought, 0) or coalesce(moved.bought, 0) <> coalesce(moved.kept, 0)
order by b.id
