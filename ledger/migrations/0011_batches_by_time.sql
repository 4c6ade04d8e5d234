-- Operators read batches newest first, a page at a time.

create index batches_by_time on batches (created_at, id);
