-- Commands that nobody has decided yet, to be sent again.

-- name: claim
-- In the order of their numbers, so many per partition; each claim moves the next one back, doubling up to a minute.
-- One instance at a time claims, and nothing is locked while it sends.
with mine as materialized (
    select pg_try_advisory_xact_lock(hashtextextended('tidemark.relay.' || current_schema(), 0)) as is_mine
), due as materialized (
    select id from (
        select c.id, row_number() over (partition by m.partition order by c.market, c.number) as place
        from commands c join markets m on m.symbol = c.market
        where c.state = 'pending' and c.next_send_at <= now() and (select is_mine from mine)) as all_due
    where place <= $1
)
update commands c
set sends = c.sends + 1, next_send_at = now() + least(60, 2 * 2 ^ least(c.sends, 5)) * interval '1 second'
from due where c.id = due.id and c.state = 'pending'
returning c.id

-- name: waiting
select count(*) as count, coalesce(floor(extract(epoch from now() - min(created_at))), 0)::bigint as oldest_s
from commands where state = 'pending'
