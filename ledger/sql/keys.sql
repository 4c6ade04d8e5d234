-- The one name space of keys, for what is neither an order nor a transfer.

-- name: former_use
select subject, subject_id, digest from idempotency_keys where user_id = $1 and key = $2

-- name: keep
insert into idempotency_keys (user_id, key, digest, subject, subject_id) values ($1, $2, $3, $4, $5)
