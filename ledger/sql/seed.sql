-- Demo data.

-- name: lock
-- One seeder at a time in this schema.
select pg_advisory_xact_lock(hashtextextended('tidemark.seed.' || current_schema(), 0))
