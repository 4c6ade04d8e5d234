-- Users and their sessions.

-- name: create
with created as (
    insert into users (username, password_hash, name, is_admin) values ($1, $2, $3, $4)
    on conflict (username) do nothing
    returning *
), wallet as (
    insert into wallets (user_id, asset) select id, $5 from created
), told as (
    insert into outbox (user_id, kind, entry)
    select id, 'account', jsonb_build_object(
        'user_id', id, 'username', username, 'name', name, 'is_admin', is_admin,
        'at_us', (extract(epoch from created_at) * 1000000)::bigint)
        || case when $7::text is null then '{}' else jsonb_build_object(
            'requested_by', $6::bigint, 'idempotency_key', $7::text, 'digest', $8::text) end
    from created
)
select id from created

-- name: find
select id from users where username = $1

-- name: set_password
with changed as (
    update users set password_hash = $2 where id = $1
), ended as (
    update refresh_families set ended_at = now(), end_reason = 'password' where user_id = $1 and ended_at is null
)
insert into audit_log (actor_id, action, subject) values (null, 'reset_password', 'user ' || $1)

-- name: make_admin
with made as (
    update users set is_admin = true, password_hash = $2 where id = $1
), ended as (
    update refresh_families set ended_at = now(), end_reason = 'password' where user_id = $1 and ended_at is null
), told as (
    insert into outbox (user_id, kind, entry)
    select $1, 'admin', jsonb_build_object('user_id', $1::bigint, 'at_us', (extract(epoch from now()) * 1000000)::bigint)
)
insert into audit_log (actor_id, action, subject) values (null, 'make_admin', 'user ' || $1)
