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
