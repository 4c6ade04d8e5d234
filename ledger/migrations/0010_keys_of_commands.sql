-- A key may name a command as well: a change of an order is asked for again by its key, too.

alter table idempotency_keys drop constraint idempotency_keys_subject;
alter table idempotency_keys add constraint idempotency_keys_subject
    check (subject in ('order', 'transfer', 'user', 'command'));
