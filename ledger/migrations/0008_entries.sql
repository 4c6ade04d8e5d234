-- New currencies and new admins are told to the topic too, so that the books can be made again from the topics alone.

alter table outbox drop constraint outbox_kind;
alter table outbox add constraint outbox_kind
    check (kind in ('account', 'admin', 'currency', 'deposit', 'withdrawal', 'adjustment'));
