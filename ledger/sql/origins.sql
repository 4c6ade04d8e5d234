-- Where a difference in the books began: a transfer, or the row itself where `transfer_id` is null; `why` says what
-- makes it the beginning, and `last` is the last transfer of a row that no transfer made wrong.

-- name: account
-- The first transfer on the account's way that is wrong by itself: $6 where they have a leg here, $7 even without one.
-- Else the one without which, or twice with which, the balance $5 would be right.
with history as (
    select transfer_id, sum(amount) as amount, sum(sum(amount)) over (order by transfer_id) as balance
    from postings
    where account = $1 and coalesce(user_id, 0) = coalesce($2::bigint, 0) and coalesce(market, '') = coalesce($3, '')
      and asset = $4
    group by transfer_id
), stands as (
    select coalesce(sum(amount), 0) as posted, $5::text::numeric as found, max(transfer_id) as last from history
)
select transfer_id, why, (select last from stands) as last
from (select 1 as rank, transfer_id, 'it is wrong by itself' as why from history where transfer_id = any ($6::bigint[])
      union all
      select 1, wrong, 'it is wrong by itself' from unnest($7::bigint[]) as wrong
      union all
      select 2, transfer_id, 'the balance is the one before it' from history, stands where balance - amount = found
      union all
      select 3, transfer_id, 'the balance leaves it out' from history, stands where posted - amount = found
      union all
      select 4, transfer_id, 'the balance has it twice' from history, stands where posted + amount = found
      union all
      select 5, null, 'all that was posted to it is in order' from stands) suspect
order by rank, transfer_id limit 1

-- name: negative
-- The first transfer after which less than nothing was there.
select min(transfer_id) as transfer_id,
       case when min(transfer_id) is null then 'all that was posted to it is in order'
            else 'it takes more than there was' end as why,
       (select max(transfer_id) from postings
        where account in ('wallet', 'pending') and user_id = $1 and asset = $2) as last
from (select transfer_id, sum(sum(amount)) over (partition by account order by transfer_id) as balance
      from postings where account in ('wallet', 'pending') and user_id = $1 and asset = $2
      group by account, transfer_id) history
where balance < 0

-- name: fills
-- The first trade of the order that is wrong by itself: $3 where they are its trades, $4 anyway. Else the first that it
-- was not counted on, if it was filled by $2 lots.
with history as (
    select id as transfer_id, lots, sum(lots) over (order by trade_seq) as filled from fills where order_id = $1
)
select transfer_id, why, null as last
from (select 1 as rank, transfer_id, 'it is wrong by itself' as why from history where transfer_id = any ($3::bigint[])
      union all
      select 1, wrong, 'it is wrong by itself' from unnest($4::bigint[]) as wrong
      union all
      select 2, transfer_id, 'the order is as it was before it' from history where filled - lots = $2::text::numeric
      union all
      select 3, null, 'its trades are in order') suspect
order by rank, transfer_id limit 1

-- name: transfer
select coalesce(t.kind, 'gone') as kind, t.trade_seq, coalesce(t.market, tr.market) as market,
       coalesce(t.seq, tr.seq) as seq, coalesce(t.created_at, tr.at) as at
from (values ($1::bigint)) asked (id)
left join transfers t on t.id = asked.id
left join trades tr on tr.id = asked.id

-- name: order
select market, seq, updated_at as at from orders where id = $1

-- name: batch
select market, coalesce(settled_at, closed_at, created_at) as at from batches where id = $1
