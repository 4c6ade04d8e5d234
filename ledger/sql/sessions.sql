-- Login sessions: a family of refresh tokens, of which one at a time is good. Only hashes are kept.

-- name: begin
with family as (insert into refresh_families (user_id) values ($1) returning id)
insert into refresh_tokens (token_hash, family_id, expires_at)
select $2, id, now() + $3::interval from family

-- name: lock
select f.id as family_id, f.user_id, f.ended_at is not null as has_ended,
       t.spent_at is not null as is_spent, t.expires_at <= now() as is_expired
from refresh_tokens t join refresh_families f on f.id = t.family_id
where t.token_hash = $1
for update of f, t

-- name: rotate
with spent as (update refresh_tokens set spent_at = now() where token_hash = $1 returning family_id)
insert into refresh_tokens (token_hash, family_id, expires_at)
select $2, family_id, now() + $3::interval from spent

-- name: end
update refresh_families set ended_at = now(), end_reason = $2 where id = $1 and ended_at is null

-- name: end_all
update refresh_families set ended_at = now(), end_reason = $2 where user_id = $1 and ended_at is null

-- name: credentials
select id, password_hash from users where username = $1

-- name: profiles
select id, username, name, is_admin, created_at from users where id = any ($1::bigint[])

-- name: lock_password
select password_hash from users where id = $1 for update

-- name: set_password
update users set password_hash = $2 where id = $1

-- name: audit
insert into audit_log (actor_id, action, subject, detail, address, request_id) values ($1, $2, $3, $4, $5, $6)
