-- The books made again from the topics: what is read of the tables before, and what is written beside plain rows.
-- `books.` stands for the schema where another one than that in sight is asked.

-- name: add_markets
-- Each gets its sequence of command numbers with its row.
insert into markets (symbol, base, quote, partition, is_house, base_scale, quote_scale, tick_size, lot_size,
                     lot_base_atoms, tick_lot_quote_atoms, maker_fee_bps, taker_fee_bps, band_bps, min_notional_atoms)
values ($1, $2, $3, $4, not exists (select from markets m where m.base = $2 and m.is_house), $5, $6, $7, $8, $9, $10,
        $11, $12, $13, $14)

-- name: add_currencies
-- Of markets that were opened before new currencies were told to the topics.
insert into currencies (code, name, scale) select code, code, scale from unnest($1::text[], $2::smallint[]) as c (code, scale)
on conflict do nothing

-- name: make_admins
update users set is_admin = true where id = any ($1::bigint[])

-- name: add_wallets
insert into wallets (user_id, asset)
select user_id, asset from unnest($1::bigint[], $2::text[]) as k (user_id, asset)
on conflict do nothing

-- name: move_wallets
update wallets w
set available = w.available + d.available, held = w.held + d.held, pending = w.pending + d.pending
from unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[])
    as d (user_id, asset, available, held, pending)
where w.user_id = d.user_id and w.asset = d.asset

-- name: move_accounts
insert into system_accounts as s (account, market, asset, balance)
select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
on conflict (account, market, asset) do update set balance = s.balance + excluded.balance

-- name: set_markets
update markets m
set version = n.version, status = coalesce(n.status, m.status),
    maker_fee_bps = coalesce(n.maker_fee_bps, m.maker_fee_bps),
    taker_fee_bps = coalesce(n.taker_fee_bps, m.taker_fee_bps), band_bps = coalesce(n.band_bps, m.band_bps),
    min_notional_atoms = coalesce(n.min_notional_atoms, m.min_notional_atoms),
    house_price_ticks = coalesce(n.house_price_ticks, m.house_price_ticks)
from unnest($1::text[], $2::bigint[], $3::text[], $4::integer[], $5::integer[], $6::integer[], $7::bigint[],
            $8::bigint[])
    as n (symbol, version, status, maker_fee_bps, taker_fee_bps, band_bps, min_notional_atoms, house_price_ticks)
where m.symbol = n.symbol

-- name: set_orders
update orders o
set state = n.state, reason = n.reason, lots = n.lots, filled_lots = n.filled_lots,
    filled_quote_atoms = n.filled_quote_atoms, held_remaining = n.held_remaining, seq = n.seq, updated_at = n.updated_at,
    is_aggregated = n.is_aggregated, batch_id = n.batch_id, batch_line = n.batch_line
from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
            $9::timestamptz[], $10::boolean[], $11::text[], $12::integer[])
    as n (id, state, reason, lots, filled_lots, filled_quote_atoms, held_remaining, seq, updated_at, is_aggregated,
          batch_id, batch_line)
where o.id = n.id

-- name: decide_commands
update commands c
set state = 'decided', outcome = n.outcome, journal_partition = n.partition, journal_offset = n.journal_offset,
    decided_at = n.decided_at
from unnest($1::bigint[], $2::text[], $3::integer[], $4::bigint[], $5::timestamptz[])
    as n (id, outcome, partition, journal_offset, decided_at)
where c.id = n.id

-- name: drop_batches
-- They come again as they are by now.
delete from batches where id = any ($1::text[])

-- name: batches
select id, market, number, lots, notional_atoms, topped_up_atoms, state, filled_atoms, charged_asset, charged_atoms,
       exchange_order_id, (extract(epoch from created_at) * 1000)::bigint as created_ms,
       (extract(epoch from closed_at) * 1000)::bigint as closed_ms,
       (extract(epoch from settled_at) * 1000)::bigint as settled_ms
from batches where id = any ($1::text[])

-- name: marks
select topic, partition, market, seq, source_offset, chain, next_offset from watermarks where consumer = $1

-- name: partition_marks
select market, seq, next_offset from watermarks where consumer = $1 and topic = $2 and partition = $3

-- name: hold_partition_marks
-- In the order of those who move them.
select market, seq, next_offset from watermarks where consumer = $1 and topic = $2 and partition = $3
order by market for update

-- name: drop_candles
delete from candles where market = $1

-- name: drop_strange_candles
-- Of markets in which nothing was counted yet. Who counts writes candles and watermark in one transaction.
with gone as (
    delete from candles c
    where c.market = coalesce($2, c.market)
      and not exists (select from watermarks w where w.consumer = $1 and w.market = c.market)
    returning c.market
)
select market, count(*) as rows from gone group by market

-- name: different_trades
-- Of these trades those that the table does not have like this, with the id that their transfer has.
with told as (
    select * from unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[],
                         $8::text[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[],
                         $14::bigint[], $15::timestamptz[])
        as t (market, trade_seq, seq, kind, price_ticks, lots, quote_atoms, taker_side, taker_order_id, taker_user_id,
              taker_fee_atoms, maker_order_id, maker_user_id, maker_fee_atoms, at)
)
select n.market, n.trade_seq, t.id is null as is_missing
from told n left join trades t on t.market = n.market and t.trade_seq = n.trade_seq
where (t.seq, t.kind, t.price_ticks, t.lots, t.quote_atoms, t.taker_side, t.taker_order_id, t.taker_user_id,
       t.taker_fee_atoms, t.maker_order_id, t.maker_user_id, t.maker_fee_atoms, t.at)
    is distinct from
      (n.seq, n.kind, n.price_ticks, n.lots, n.quote_atoms, n.taker_side, n.taker_order_id, n.taker_user_id,
       n.taker_fee_atoms, n.maker_order_id, n.maker_user_id, n.maker_fee_atoms, n.at)

-- name: transfers_of_trades
select market, trade_seq, id from transfers where market = $1 and trade_seq = any ($2::bigint[])

-- name: drop_trades
delete from trades where market = $1 and trade_seq = any ($2::bigint[])

-- name: strange_trades
-- Trades that no execution gives. The numbers of a market's trades up to an execution are known: `last` up to `seq`.
-- What is of a later one is booked together with the watermark.
select t.id, t.market, t.trade_seq, exists (select from transfers r where r.id = t.id) as has_transfer
from trades t
    left join unnest($2::text[], $3::bigint[], $4::bigint[]) as told (market, last, seq) on told.market = t.market
    left join watermarks w on w.consumer = $1 and w.topic = $5 and w.market = t.market
where t.market = coalesce($6, t.market)
  and (t.trade_seq < 1 or t.seq <= told.seq and t.trade_seq > told.last or t.seq > coalesce(w.seq, 0))
order by t.market, t.trade_seq

-- name: drop_strange_trades
delete from trades where id = any ($1::bigint[])

-- name: set_marks
insert into watermarks as w (consumer, topic, partition, market, seq, source_offset, chain, next_offset)
select $1, * from unnest($2::text[], $3::integer[], $4::text[], $5::bigint[], $6::bigint[], $7::text[], $8::bigint[])
on conflict (consumer, topic, partition, market) do update
set seq = excluded.seq, source_offset = excluded.source_offset, chain = excluded.chain,
    next_offset = excluded.next_offset, updated_at = now()

-- name: entered_currencies
select code from books.currencies where code = any ($1::text[])

-- name: entered_users
select id from books.users where id = any ($1::bigint[])

-- name: entered_admins
select id from books.users where id = any ($1::bigint[]) and is_admin

-- name: entered_transfers
select id from books.transfers where id = any ($1::bigint[])

-- name: last_command
select coalesce(max(id), 0) from commands

-- name: known_commands
select id, market, number, kind, order_id from commands where id = any ($1::bigint[])

-- name: markets
select symbol, base, quote, partition, base_scale, quote_scale, tick_size, lot_size, lot_base_atoms,
       tick_lot_quote_atoms, maker_fee_bps, taker_fee_bps, band_bps, min_notional_atoms
from markets

-- name: open_orders
select id, user_id, side, state, lots, filled_lots, filled_quote_atoms, held_remaining, reason, seq,
       (extract(epoch from updated_at) * 1000)::bigint as at_ms, market, command_id, is_aggregated, batch_id, batch_line
from orders where not is_done

-- name: undecided
select id, order_id from commands where state = 'pending'

-- name: reached
-- How far a consumer is in each partition, and how far in the journal that is.
select topic, partition, max(next_offset) as next_offset, max(source_offset) as source_offset
from books.watermarks where consumer = $1 group by topic, partition

-- name: has_tables
select exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1)

-- name: connected
select distinct application_name from pg_stat_activity
where datname = current_database() and application_name = any ($1::text[])

-- name: rows_about
-- By the server's last estimate.
select coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint
from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relkind = 'r'

-- name: copying
-- What pg_dump and pg_restore are copying at this moment.
select p.relid, p.tuples_processed from pg_stat_progress_copy p join pg_stat_activity a using (pid)
where p.datname = current_database() and a.application_name in ('pg_dump', 'pg_restore')

-- name: somebody_writes
-- Whether rows are being written now. A vacuum locks a table too, in a mode of its own, and writes none.
select exists (select from pg_locks l join pg_class c on c.oid = l.relation join pg_namespace n on n.oid = c.relnamespace
               where n.nspname = current_schema() and c.relkind = 'r'
                     and l.database = (select oid from pg_database where datname = current_database())
                     and l.mode in ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock'))

-- name: lock_books
-- Nobody writes while the books are recovered; who reads is not kept out. A vacuum that is at work by itself gives way to
-- whoever waits for a second.
set local lock_timeout = '10s';
lock table watermarks, wallets, orders, commands, batches, system_accounts, transfers, trades, users, outbox
    in exclusive mode

-- name: next_transfer
select coalesce(max(id), 0) + 1 from transfers

-- name: ask_again
-- The desk asks the exchange before it sends what may have been sent already.
insert into batch_attempts (batch_id, exchange, attempts, expires_at, last_error)
select id, 'unknown', 1, now() + $1::integer * interval '1 millisecond', 'recovered: what was sent is not known here'
from batches where state = 'closed'
on conflict (batch_id) do nothing

-- name: end_sessions
-- Tokens that were spent since the backup would be good again.
update refresh_families set ended_at = now(), end_reason = 'recovered' where ended_at is null

-- name: lift_ids
-- Past everything that anybody was told, and a margin for what was given and never journaled.
select setval(s.name, greatest(s.largest, (select last_value from pg_sequences
                                           where schemaname = current_schema() and sequencename = s.sequence)) + $2)
from (values
    ('users', (select max(id) from users)), ('orders', (select max(id) from orders)),
    ('commands', (select max(id) from commands)), ('transfers', (select max(id) from transfers)),
    ('postings', (select max(id) from postings)), ('markets', (select max(id) from markets)),
    ('audit_log', (select max(id) from audit_log)), ('refresh_families', (select max(id) from refresh_families)),
    ('outbox', $1::bigint)
) as t (name, largest)
cross join lateral (select pg_get_serial_sequence(t.name, 'id') as name, t.largest, t.name || '_id_seq' as sequence) s

-- name: lift_numbers
select setval(format('%I', 'command_numbers_' || m.id)::regclass,
              (select coalesce(max(c.number), 0) + $1 from commands c where c.market = m.symbol))
from markets m

-- name: note_recovery
insert into audit_log (actor_id, action, subject, detail) values (null, 'recover_books', 'books', $1::text::jsonb)
