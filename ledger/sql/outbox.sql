-- The way of accounts and transfers to the topic ledger.entries.

-- name: lock
-- One publisher at a time, or entries could overtake each other. It goes with the connection, if not before.
select pg_try_advisory_lock(hashtextextended('tidemark.outbox.' || current_schema(), 0))

-- name: unlock
select pg_advisory_unlock(hashtextextended('tidemark.outbox.' || current_schema(), 0))

-- name: oldest
select id, user_id, kind, entry from outbox order by id limit $1

-- name: forget
delete from outbox where id = any ($1::bigint[])
