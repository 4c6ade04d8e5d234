-- The books: double entry in whole atoms. Postings are never changed; wallets and system accounts are their sums.

-- available + held is the sum of the user's 'wallet' postings in the asset, pending the sum of the 'pending' ones.
-- No index but the key, so that every update stays on its page.
create table wallets (
    user_id   bigint not null references users,
    asset     text collate "C" not null references currencies,
    available bigint not null default 0,
    held      bigint not null default 0,
    pending   bigint not null default 0,
    primary key (user_id, asset),
    constraint wallets_available check (available >= 0),
    constraint wallets_held check (held >= 0),
    constraint wallets_pending check (pending >= 0)
) with (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);

-- The exchange's own accounts, per market or (market = '') per currency. Signed. What came from outside is negative.
create table system_accounts (
    account text collate "C" not null,
    market  text collate "C" not null default '',
    asset   text collate "C" not null references currencies,
    balance bigint not null default 0,
    primary key (account, market, asset),
    constraint system_accounts_account check (account in
        ('deposits', 'withdrawals', 'adjustments', 'fees', 'house', 'exchange_payable', 'inventory'))
) with (fillfactor = 50, autovacuum_vacuum_threshold = 20, autovacuum_vacuum_scale_factor = 0);

create table transfers (
    id              bigint generated always as identity primary key,
    kind            text not null,
    requested_by    bigint,
    idempotency_key text,
    market          text collate "C",
    seq             bigint,
    trade_seq       bigint,
    batch_id        text collate "C",
    note            text,
    created_at      timestamptz not null default now(),
    constraint transfers_kind check (kind in
        ('deposit', 'withdrawal', 'adjustment', 'trade', 'purchase', 'delivery', 'refund', 'top_up', 'exchange'))
);

-- One leg each. 'wallet' and 'pending' belong to a user, the others to the exchange. The legs of a transfer sum to
-- zero in each asset. `type` is the user's word for a leg of his wallet, and makes it one of his transactions.
create table postings (
    id          bigint generated always as identity primary key,
    transfer_id bigint not null,
    account     text collate "C" not null,
    user_id     bigint,
    market      text collate "C",
    asset       text collate "C" not null,
    amount      bigint not null,
    order_id    bigint,
    type        text,
    constraint postings_amount check (amount <> 0),
    constraint postings_owner check ((account in ('wallet', 'pending')) = (user_id is not null)),
    constraint postings_type check ((account = 'wallet') = (type is not null)
        and type in ('deposit', 'withdrawal', 'purchase', 'refund', 'trade', 'fee', 'adjustment'))
);
create index postings_transactions on postings (user_id, id) where account = 'wallet';
create index postings_transfer on postings using brin (transfer_id) with (pages_per_range = 16, autosummarize = on);

-- What a user sees of the books. Withdrawals are shown positive, as deposits are.
create view transactions as
    select p.id, p.user_id, p.type, p.asset,
           case when p.type = 'withdrawal' then -p.amount else p.amount end as amount,
           p.order_id, t.created_at
    from postings p join transfers t on t.id = p.transfer_id
    where p.account = 'wallet';

-- One name space per user for client_order_id and Idempotency-Key, kept for ever. `subject_id` names the order,
-- transfer or user that the key made; `digest` is of the body as it was sent.
create table idempotency_keys (
    user_id    bigint not null,
    key        text collate "C" not null,
    digest     text collate "C" not null,
    subject    text not null,
    subject_id bigint not null,
    primary key (user_id, key),
    constraint idempotency_keys_form check (key ~ '^[A-Za-z0-9._:/-]{1,64}$'),
    constraint idempotency_keys_subject check (subject in ('order', 'transfer', 'user'))
);

-- What happened outside the journal, on its way to the topic ledger.entries; a row goes when Kafka has it.
create table outbox (
    id         bigint generated always as identity primary key,
    user_id    bigint not null,
    kind       text not null,
    entry      jsonb not null,
    created_at timestamptz not null default now(),
    constraint outbox_kind check (kind in ('account', 'deposit', 'withdrawal', 'adjustment'))
) with (autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);
