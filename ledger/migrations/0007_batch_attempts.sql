-- What the exchange delivers is told in atoms, since its steps need not be ours; and the desk's own table.

alter table batches rename column filled_lots to filled_atoms;
create index batches_closed on batches (market, number) where state = 'closed';

-- One row per batch that was sent out. It is written before the exchange is asked, and nobody asks again before
-- `expires_at`, after which the exchange refuses what was asked before. `verdict` is the exchange's own last word, as it
-- goes to the topic exchange.fills.
create table batch_attempts (
    batch_id    text collate "C" primary key,
    exchange    text not null,
    attempts    integer not null default 1,
    expires_at  timestamptz not null,
    last_error  text,
    verdict     jsonb,
    resolved_by text,
    told_at     timestamptz,
    created_at  timestamptz not null default now(),
    constraint batch_attempts_told check (told_at is null or verdict is not null)
);
