-- Customers without a login, made by admins.

-- name: former_use
select subject, subject_id, digest from idempotency_keys where user_id = $1 and key = $2

-- name: keep_key
insert into idempotency_keys (user_id, key, digest, subject, subject_id) values ($1, $2, $3, 'user', $4)
