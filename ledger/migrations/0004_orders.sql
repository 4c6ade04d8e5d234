-- What was asked for and what became of it. The API inserts; from then on only the wallet agent says what state it is.

create table orders (
    id                 bigint generated always as identity primary key,
    user_id            bigint not null,
    market             text collate "C" not null,
    kind               text not null,
    side               text not null,
    time_in_force      text,
    post_only          boolean not null default false,
    self_trade         text,
    lots               bigint,
    quote_atoms        bigint,
    price_ticks        bigint,
    hold_asset         text collate "C" not null,
    hold_atoms         bigint not null,
    held_remaining     bigint not null,
    state              text not null default 'pending',
    reason             text,
    filled_lots        bigint not null default 0,
    filled_quote_atoms bigint not null default 0,
    seq                bigint,
    is_done            boolean not null generated always as
        (state in ('filled', 'canceled', 'rejected', 'expired', 'completed', 'refunded')) stored,
    is_aggregated      boolean not null default false,
    batch_id           text collate "C",
    batch_line         integer,
    command_id         bigint not null,
    placed_by          bigint,
    client_order_id    text collate "C" not null,
    body_digest        text collate "C" not null,
    created_at         timestamptz not null default now(),
    updated_at         timestamptz not null default now(),
    constraint orders_kind check (kind in ('limit', 'market', 'purchase')),
    constraint orders_side check (side in ('buy', 'sell')),
    constraint orders_time_in_force check (time_in_force in ('gtc', 'ioc', 'fok')),
    constraint orders_self_trade check (self_trade in ('expire_taker', 'expire_maker', 'expire_both')),
    constraint orders_state check (
        state in ('pending', 'rejected')
        or kind <> 'purchase' and state in ('open', 'partially_filled', 'filled', 'canceled', 'expired')
        or kind = 'purchase' and state in ('aggregated', 'sent', 'completed', 'refunded')),
    constraint orders_size check (num_nonnulls(lots, quote_atoms) = 1 and lots > 0 and quote_atoms > 0),
    constraint orders_filled check (filled_lots between 0 and lots and filled_quote_atoms >= 0),
    constraint orders_spent check (filled_quote_atoms <= quote_atoms),
    constraint orders_hold check (held_remaining between 0 and hold_atoms),
    constraint orders_done_hold_nothing check (held_remaining = 0 or not is_done)
) with (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02,
        autovacuum_vacuum_insert_scale_factor = 0.05);
comment on column orders.price_ticks is
    'The worst price at which it may trade: the limit, the protective price of a market order, the price shown to a buyer.';
create index orders_by_user on orders (user_id, id);
create index orders_open on orders (user_id, market, id) where not is_done;
create index orders_by_batch on orders (batch_id, batch_line) where batch_id is not null;

-- Every command is a row before it is a record of the journal. `arguments` holds what neither the other columns nor
-- the order's row say, so that the record can be built again. The API counts what it sent; the wallet agent decides.
create table commands (
    id                bigint generated always as identity primary key,
    market            text collate "C" not null,
    number            bigint not null,
    kind              text not null,
    user_id           bigint,
    order_id          bigint,
    arguments         jsonb not null default '{}',
    state             text not null default 'pending',
    outcome           text,
    journal_partition integer,
    journal_offset    bigint,
    sends             integer not null default 0,
    next_send_at      timestamptz not null default now() + interval '3 seconds',
    created_at        timestamptz not null default now(),
    decided_at        timestamptz,
    constraint commands_kind check (kind in
        ('place_order', 'buy_from_house', 'cancel_order', 'cancel_all', 'reduce_order',
         'open_market', 'change_market', 'change_rules', 'list_price')),
    constraint commands_number check (number > 0),
    constraint commands_state check (state in ('pending', 'decided')),
    constraint commands_decided check ((state = 'decided') = (outcome is not null)
        and (state = 'decided') = (decided_at is not null)),
    constraint commands_place check ((journal_partition is null) = (journal_offset is null))
) with (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02,
        autovacuum_vacuum_insert_scale_factor = 0.05);
create unique index commands_pending on commands (market, number) where state = 'pending';

-- One row per trade, both sides in it, so the two cannot disagree. Its id is its transfer's. The house has no maker.
create table trades (
    id              bigint primary key,
    market          text collate "C" not null,
    trade_seq       bigint not null,
    seq             bigint not null,
    kind            text not null,
    price_ticks     bigint not null,
    lots            bigint not null,
    quote_atoms     bigint not null,
    taker_side      text not null,
    taker_order_id  bigint not null,
    taker_user_id   bigint not null,
    taker_fee_atoms bigint not null default 0,
    maker_order_id  bigint,
    maker_user_id   bigint,
    maker_fee_atoms bigint not null default 0,
    at              timestamptz not null,
    constraint trades_seq unique (market, trade_seq),
    constraint trades_kind check (kind in ('book', 'house')),
    constraint trades_maker check (num_nonnulls(maker_order_id, maker_user_id) = case kind when 'book' then 2 else 0 end),
    constraint trades_amounts check (price_ticks > 0 and lots > 0 and quote_atoms > 0
        and taker_fee_atoms >= 0 and maker_fee_atoms >= 0),
    constraint trades_taker_side check (taker_side in ('buy', 'sell'))
);
create index trades_taker on trades (taker_user_id, id);
create index trades_maker on trades (maker_user_id, id) where maker_user_id is not null;
create index trades_taker_order on trades (taker_order_id, id);
create index trades_maker_order on trades (maker_order_id, id) where maker_order_id is not null;

-- A trade as each of its two sides sees it.
create view fills as
    select id, taker_user_id as user_id, taker_order_id as order_id, market, trade_seq, price_ticks, lots, quote_atoms,
           taker_side as side, taker_fee_atoms as fee_atoms, false as is_maker, at
    from trades
    union all
    select id, maker_user_id, maker_order_id, market, trade_seq, price_ticks, lots, quote_atoms,
           case taker_side when 'buy' then 'sell' else 'buy' end, maker_fee_atoms, true, at
    from trades where maker_user_id is not null;

-- Purchases that are bought together outside; `id` is MARKET-number. Attempts are the desk's own table.
create table batches (
    id                text collate "C" primary key,
    market            text collate "C" not null,
    number            bigint not null,
    lots              bigint not null default 0,
    notional_atoms    bigint not null default 0,
    topped_up_atoms   bigint not null default 0,
    state             text not null default 'open',
    filled_lots       bigint,
    charged_asset     text collate "C",
    charged_atoms     bigint,
    exchange_order_id text,
    created_at        timestamptz not null,
    closed_at         timestamptz,
    settled_at        timestamptz,
    constraint batches_number unique (market, number),
    constraint batches_state check (state in ('open', 'closed', 'filled', 'failed')),
    constraint batches_amounts check (lots >= 0 and notional_atoms >= 0 and topped_up_atoms >= 0)
);
