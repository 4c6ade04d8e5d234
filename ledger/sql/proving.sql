-- The proof of the books beside the work.

-- name: claim
-- One process at a time; the session's end gives it back.
select pg_try_advisory_lock(hashtextextended('tidemark.proving.' || current_schema(), 0))
