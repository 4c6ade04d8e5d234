-- The whole schema of the books: all of ledger/migrations/ applied, in one place to read. A test compares the two.

-- Who there is: users, their login sessions, and what admins did.

create table users (
    id            bigint generated always as identity primary key,
    username      text collate "C" unique,
    name          text,
    password_hash text,
    is_admin      boolean not null default false,
    created_at    timestamptz not null default now(),
    constraint users_username_form check (username ~ '^[a-z0-9_.-]{3,32}$'),
    constraint users_are_called_something check (username is not null or name is not null)
);
comment on table users is 'Customers without a login have a name and no username.';

-- A login starts a family; each refresh spends a token and issues the next. Reuse of a spent one ends the family.
create table refresh_families (
    id         bigint generated always as identity primary key,
    user_id    bigint not null references users,
    created_at timestamptz not null default now(),
    ended_at   timestamptz,
    end_reason text,
    constraint refresh_families_end check ((ended_at is null) = (end_reason is null))
);
create index refresh_families_alive on refresh_families (user_id) where ended_at is null;

create table refresh_tokens (
    token_hash bytea primary key,
    family_id  bigint not null references refresh_families,
    issued_at  timestamptz not null default now(),
    expires_at timestamptz not null,
    spent_at   timestamptz,
    constraint refresh_tokens_sha256 check (octet_length(token_hash) = 32)
);
create index refresh_tokens_family on refresh_tokens (family_id);

-- Signatures of signed requests that moved money. They are unique as bytes, however they were written down, and may
-- be forgotten once no window can admit their timestamp again.
create table request_signatures (
    signature bytea primary key,
    user_id   bigint not null,
    seen_at   timestamptz not null default now()
);
create index request_signatures_seen on request_signatures (seen_at);

create table audit_log (
    id         bigint generated always as identity primary key,
    at         timestamptz not null default now(),
    actor_id   bigint,
    action     text not null,
    subject    text,
    detail     jsonb not null default '{}',
    address    text,
    request_id text
);
create index audit_log_actor on audit_log (actor_id, id);
create index audit_log_restores on audit_log (id) where action in ('restore_books', 'recover_books');

-- What can be owned and where it is traded. Scale, tick, lot and partition are fixed for life.

create table currencies (
    code       text collate "C" primary key,
    name       text not null,
    scale      smallint not null,
    created_at timestamptz not null default now(),
    constraint currencies_code_form check (code ~ '^[A-Z0-9]{1,16}$'),
    constraint currencies_scale check (scale between 0 and 8)
);
insert into currencies (code, name, scale) values ('USD', 'US dollar', 8);

create table markets (
    id                   integer generated always as identity primary key,
    symbol               text collate "C" not null unique,
    base                 text collate "C" not null references currencies,
    quote                text collate "C" not null references currencies,
    partition            integer not null,
    is_house             boolean not null default false,
    base_scale           smallint not null,
    quote_scale          smallint not null,
    tick_size            numeric not null,
    lot_size             numeric not null,
    lot_base_atoms       bigint not null,
    tick_lot_quote_atoms bigint not null,
    status               text not null default 'opening',
    maker_fee_bps        integer not null default 0,
    taker_fee_bps        integer not null default 0,
    band_bps             integer not null default 0,
    min_notional_atoms   bigint not null default 0,
    house_price_ticks    bigint,
    version              bigint not null default 0,
    created_at           timestamptz not null default now(),
    constraint markets_symbol_is_the_pair check (symbol = base || '-' || quote),
    constraint markets_two_assets check (base <> quote),
    constraint markets_partition check (partition >= 0),
    constraint markets_lot_is_whole_atoms
        check (lot_base_atoms > 0 and lot_size * 10::numeric ^ base_scale = lot_base_atoms),
    constraint markets_value_is_whole_atoms
        check (tick_lot_quote_atoms > 0
               and tick_size * lot_size * 10::numeric ^ quote_scale = tick_lot_quote_atoms),
    constraint markets_status check (status in ('opening', 'open', 'post_only', 'cancel_only', 'halted', 'rejected')),
    constraint markets_fees check (maker_fee_bps between 0 and 10000 and taker_fee_bps between 0 and 10000),
    constraint markets_band check (band_bps >= 0),
    constraint markets_min_notional check (min_notional_atoms >= 0),
    constraint markets_house_price check (house_price_ticks > 0)
);
comment on column markets.version is 'The execution seq of the last change; 0 until the journal has opened the market.';
-- The house sells a currency in one market.
create unique index markets_house on markets (base) where is_house;

-- Commands are numbered per market. A sequence each: no row to lock, and gaps do not matter.
create function open_command_numbers() returns trigger language plpgsql as $$
begin
    execute format('create sequence %I', 'command_numbers_' || new.id);
    return new;
end $$;
create trigger markets_open_command_numbers after insert on markets
    for each row execute function open_command_numbers();

create function next_command_number(market_id integer) returns bigint language sql volatile as
    $$ select nextval(('command_numbers_' || market_id)::regclass) $$;

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
-- transfer, user or command that the key made; `digest` is of the body as it was sent.
create table idempotency_keys (
    user_id    bigint not null,
    key        text collate "C" not null,
    digest     text collate "C" not null,
    subject    text not null,
    subject_id bigint not null,
    primary key (user_id, key),
    constraint idempotency_keys_form check (key ~ '^[A-Za-z0-9._:/-]{1,64}$'),
    constraint idempotency_keys_subject check (subject in ('order', 'transfer', 'user', 'command'))
);

-- What happened outside the journal, on its way to the topic ledger.entries; a row goes when Kafka has it.
create table outbox (
    id         bigint generated always as identity primary key,
    user_id    bigint not null,
    kind       text not null,
    entry      jsonb not null,
    created_at timestamptz not null default now(),
    constraint outbox_kind check (kind in ('account', 'admin', 'currency', 'deposit', 'withdrawal', 'adjustment'))
) with (autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);

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
    filled_atoms      bigint,
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
create index batches_closed on batches (market, number) where state = 'closed';
create index batches_by_time on batches (created_at, id);

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

-- How far each reader of a topic has come, per market: written in the transaction of what it read.

create table watermarks (
    consumer      text collate "C" not null,
    topic         text collate "C" not null,
    partition     integer not null,
    market        text collate "C" not null,
    seq           bigint not null,
    source_offset bigint not null,
    chain         text not null,
    next_offset   bigint not null,
    updated_at    timestamptz not null default now(),
    primary key (consumer, topic, partition, market)
) with (fillfactor = 50, autovacuum_vacuum_threshold = 20, autovacuum_vacuum_scale_factor = 0);
comment on column watermarks.source_offset is 'The offset in orders.commands of the command that the record answers.';
comment on column watermarks.next_offset is 'The offset in the topic itself at which to go on reading.';

-- What the market looked like: trades of the book, added up by time. Made from the topic `trades`, and again when lost.

create table candles (
    market      text collate "C" not null,
    interval_s  integer not null,
    open_time   timestamptz not null,
    open_ticks  bigint not null,
    high_ticks  bigint not null,
    low_ticks   bigint not null,
    close_ticks bigint not null,
    lots        numeric(38, 0) not null,
    trades      bigint not null,
    primary key (market, interval_s, open_time),
    constraint candles_interval check (interval_s in (1, 60, 300, 900, 3600, 14400, 86400)),
    constraint candles_prices check (low_ticks > 0 and low_ticks <= least(open_ticks, close_ticks)
        and high_ticks >= greatest(open_ticks, close_ticks)),
    constraint candles_amounts check (lots > 0 and trades > 0)
) with (fillfactor = 70);
comment on column candles.lots is 'A sum over a day may pass what a bigint holds.';

-- What a run of executions does to the books is written by one call, which is one transaction: no lock is ever held
-- over the network. The types are the rows that the wallet agent sends; each carries what was read, where it matters.

create type watermark_step as (
    market            text,
    was_seq           bigint,
    was_source_offset bigint,
    was_chain         text,
    was_next_offset   bigint,
    seq               bigint,
    source_offset     bigint,
    chain             text,
    next_offset       bigint
);
create type wallet_move as (user_id bigint, asset text, available bigint, held bigint, pending bigint);
create type account_move as (account text, market text, asset text, amount bigint);
create type order_change as (
    id                 bigint,
    was_state          text,
    was_seq            bigint,
    state              text,
    reason             text,
    lots               bigint,
    filled_lots        bigint,
    filled_quote_atoms bigint,
    held_remaining     bigint,
    seq                bigint,
    at_ms              bigint
);
create type settled_trade as (
    market          text,
    seq             bigint,
    trade_seq       bigint,
    kind            text,
    price_ticks     bigint,
    lots            bigint,
    quote_atoms     bigint,
    taker_side      text,
    taker_order_id  bigint,
    taker_user_id   bigint,
    taker_fee_atoms bigint,
    maker_order_id  bigint,
    maker_user_id   bigint,
    maker_fee_atoms bigint,
    at_ms           bigint
);
create type trade_leg as (
    line     integer,
    account  text,
    asset    text,
    amount   bigint,
    user_id  bigint,
    market   text,
    order_id bigint,
    type     text
);
comment on column trade_leg.line is 'Which of the trades beside it, from 1.';
create type command_outcome as (
    id bigint, outcome text, journal_partition integer, journal_offset bigint, at_ms bigint
);
create type market_terms as (
    symbol             text,
    version            bigint,
    status             text,
    maker_fee_bps      integer,
    taker_fee_bps      integer,
    band_bps           integer,
    min_notional_atoms bigint,
    house_price_ticks  bigint
);

create function moment(ms bigint) returns timestamptz language sql stable parallel safe as
    $$ select 'epoch'::timestamptz + ms * interval '1 millisecond' $$;

-- The rows are locked from here on: of two workers with the same run, one finds it applied.
create function step_watermarks(reader text, source text, place integer, steps watermark_step[])
returns void language plpgsql as $$
declare
    stepped bigint;
    begun bigint;
begin
    update watermarks w
    set seq = s.seq, source_offset = s.source_offset, chain = s.chain, next_offset = s.next_offset, updated_at = now()
    from unnest(steps) s
    where w.consumer = reader and w.topic = source and w.partition = place and w.market = s.market
      and w.seq = s.was_seq and w.source_offset = s.was_source_offset and w.chain = s.was_chain
      and w.next_offset = s.was_next_offset;
    get diagnostics stepped = row_count;
    if stepped = cardinality(steps) then
        return;
    end if;
    insert into watermarks (consumer, topic, partition, market, seq, source_offset, chain, next_offset)
    select reader, source, place, s.market, s.seq, s.source_offset, s.chain, s.next_offset
    from unnest(steps) s where s.was_next_offset = 0
    on conflict do nothing;
    get diagnostics begun = row_count;
    if stepped + begun < cardinality(steps) then
        raise serialization_failure using message = 'another worker has moved the watermark';
    end if;
end $$;

-- Sent in the order in which all writers lock them, and locked in that order.
create function move_wallets(moves wallet_move[]) returns void language plpgsql as $$
begin
    merge into wallets w
    using unnest(moves) m on w.user_id = m.user_id and w.asset = m.asset
    when matched then
        update set available = w.available + m.available, held = w.held + m.held, pending = w.pending + m.pending
    when not matched then
        insert (user_id, asset, available, held, pending)
        values (m.user_id, m.asset, m.available, m.held, m.pending);
exception when unique_violation then
    raise serialization_failure using message = 'a wallet was made while this run made it';
end $$;

create function move_accounts(moves account_move[]) returns void language sql as $$
    insert into system_accounts as s (account, market, asset, balance)
    select m.account, m.market, m.asset, m.amount from unnest(moves) m
    on conflict (account, market, asset) do update set balance = s.balance + excluded.balance
$$;

-- Every change of an order by an execution changes its seq, and every one by a batch its state.
create function change_orders(changes order_change[]) returns void language plpgsql as $$
declare
    changed bigint;
begin
    update orders o
    set state = c.state, reason = c.reason, lots = c.lots, filled_lots = c.filled_lots,
        filled_quote_atoms = c.filled_quote_atoms, held_remaining = c.held_remaining, seq = c.seq,
        updated_at = moment(c.at_ms)
    from unnest(changes) c
    where o.id = c.id and o.state = c.was_state and o.seq is not distinct from c.was_seq;
    get diagnostics changed = row_count;
    if changed < cardinality(changes) then
        raise serialization_failure using message = 'an order has changed since it was read';
    end if;
end $$;

-- Each trade is a transfer of the same id.
create function add_trades(sold settled_trade[], legs trade_leg[]) returns void language plpgsql as $$
declare
    ids bigint[] := array(select nextval('transfers_id_seq') from generate_series(1, cardinality(sold)));
begin
    with numbered as materialized (
        select ids[s.ordinality] as id, s.* from unnest(sold) with ordinality s
    ), traded as (
        insert into trades (id, market, seq, trade_seq, kind, price_ticks, lots, quote_atoms, taker_side,
                            taker_order_id, taker_user_id, taker_fee_atoms, maker_order_id, maker_user_id,
                            maker_fee_atoms, at)
        select id, market, seq, trade_seq, kind, price_ticks, lots, quote_atoms, taker_side, taker_order_id,
               taker_user_id, taker_fee_atoms, maker_order_id, maker_user_id, maker_fee_atoms, moment(at_ms)
        from numbered
    )
    insert into transfers (id, kind, market, seq, trade_seq, created_at) overriding system value
    select id, case kind when 'house' then 'purchase' else 'trade' end, market, seq, trade_seq, moment(at_ms)
    from numbered;
    insert into postings (transfer_id, account, user_id, market, asset, amount, order_id, type)
    select ids[l.line], l.account, l.user_id, l.market, l.asset, l.amount, l.order_id, l.type from unnest(legs) l;
end $$;

-- Asked by `decided_at`, or an index of the pending ones looks better than the key while the tables are new.
create function decide_commands(outcomes command_outcome[]) returns void language plpgsql as $$
declare
    decided bigint;
begin
    update commands c
    set state = 'decided', outcome = n.outcome, journal_partition = n.journal_partition,
        journal_offset = n.journal_offset, decided_at = moment(n.at_ms)
    from unnest(outcomes) n
    where c.id = n.id and c.decided_at is null;
    get diagnostics decided = row_count;
    if decided < cardinality(outcomes) then
        raise serialization_failure using message = 'a command was decided since it was read';
    end if;
end $$;

create function change_markets(terms market_terms[]) returns void language sql as $$
    update markets m
    set version = n.version, status = coalesce(n.status, m.status),
        maker_fee_bps = coalesce(n.maker_fee_bps, m.maker_fee_bps),
        taker_fee_bps = coalesce(n.taker_fee_bps, m.taker_fee_bps), band_bps = coalesce(n.band_bps, m.band_bps),
        min_notional_atoms = coalesce(n.min_notional_atoms, m.min_notional_atoms),
        house_price_ticks = coalesce(n.house_price_ticks, m.house_price_ticks)
    from unnest(terms) n
    where m.symbol = n.symbol
$$;

-- Locks are taken in the order of all writers: watermark rows, wallets by (user, asset), orders by id, accounts.
create function settle_run(
    reader text, source text, place integer, steps watermark_step[], moves wallet_move[], changes order_change[],
    sums account_move[], sold settled_trade[], legs trade_leg[], outcomes command_outcome[], terms market_terms[]
) returns void language plpgsql as $$
begin
    perform step_watermarks(reader, source, place, steps);
    if cardinality(moves) > 0 then perform move_wallets(moves); end if;
    if cardinality(changes) > 0 then perform change_orders(changes); end if;
    if cardinality(sums) > 0 then perform move_accounts(sums); end if;
    if cardinality(sold) > 0 then perform add_trades(sold, legs); end if;
    if cardinality(outcomes) > 0 then perform decide_commands(outcomes); end if;
    if cardinality(terms) > 0 then perform change_markets(terms); end if;
end $$;
