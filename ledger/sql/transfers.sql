-- Transfers over the border: deposit, withdrawal, adjustment. One transaction: lock, look, decide, post.

-- name: lock_wallet
-- Makes the row where the user and the asset exist and it does not, and locks it either way.
insert into wallets as w (user_id, asset)
select u.id, c.code from users u, currencies c where u.id = $1 and c.code = $2
on conflict (user_id, asset) do update set available = w.available
returning available

-- name: lock_border
-- The exchange's account for the outside world: locked after the wallet, by everybody.
insert into system_accounts as s (account, asset)
select $1, c.code from currencies c where c.code = $2
on conflict (account, market, asset) do update set balance = s.balance
returning balance

-- name: state
-- Read after the locks, so that what a rival has just committed is seen.
select k.subject, k.subject_id, k.digest,
       exists (select from request_signatures r where r.signature = $4) as signature_seen,
       (select -coalesce(sum(case when s.account = 'house' then least(s.balance, 0) else s.balance end), 0)::bigint
        from system_accounts s
        where s.asset = $3 and (s.account = any ($5::text[]) or s.account = 'house')) as total
from (values (1)) as one_row
left join idempotency_keys k on k.user_id = $1 and k.key = $2

-- name: post
-- All that a transfer writes. A key or a signature that a rival used meanwhile fails it as a whole.
with legs as materialized (
    select * from unnest($5::text[], $6::text[], $7::bigint[], $8::bigint[], $9::text[])
        with ordinality as l (account, asset, amount, user_id, type, line)
), transfer as (
    insert into transfers (kind, requested_by, idempotency_key, note) values ($1, $2, $3, $4) returning *
), posted as (
    insert into postings (transfer_id, account, asset, amount, user_id, type)
    select t.id, l.account, l.asset, l.amount, l.user_id, l.type from transfer t, legs l order by l.line
), wallet as (
    update wallets w set available = w.available + l.amount
    from legs l where l.account = 'wallet' and w.user_id = l.user_id and w.asset = l.asset
), border as (
    update system_accounts s set balance = s.balance + l.amount
    from legs l where l.user_id is null and s.account = l.account and s.market = '' and s.asset = l.asset
), key as (
    insert into idempotency_keys (user_id, key, digest, subject, subject_id)
    select $2, $3, $10, 'transfer', t.id from transfer t where $3 is not null
), signature as (
    insert into request_signatures (signature, user_id) select $11, $2 where $11::bytea is not null
), told as (
    insert into outbox (user_id, kind, entry)
    select l.user_id, t.kind, jsonb_build_object(
        'transfer_id', t.id, 'kind', t.kind, 'user_id', l.user_id, 'asset', l.asset, 'amount_atoms', l.amount,
        'requested_by', t.requested_by, 'idempotency_key', t.idempotency_key, 'digest', $10::text, 'note', t.note,
        'at_us', (extract(epoch from t.created_at) * 1000000)::bigint)
    from transfer t, legs l where l.account = 'wallet'
)
select id from transfer
