-- Currencies, markets and the commands that tell the journal of them.

-- name: add_currency
-- Told under the user 0, who is nobody: the key of an entry is a user's id.
with added as (
    insert into currencies (code, name, scale) values ($1, $2, $3) on conflict (code) do nothing returning *
), told as (
    insert into outbox (user_id, kind, entry)
    select 0, 'currency', jsonb_build_object(
        'code', code, 'name', name, 'scale', scale, 'at_us', (extract(epoch from created_at) * 1000000)::bigint)
    from added
)
select code from added

-- name: one_at_a_time
-- Two markets opened at once would choose the same partition, and both be the one where the house sells.
select pg_advisory_xact_lock(hashtextextended('tidemark.markets.' || current_schema(), 0))

-- name: add_market
-- In the partition with the fewest markets; the first market of a currency is the one where the house sells it.
insert into markets (symbol, base, quote, partition, is_house, base_scale, quote_scale, tick_size, lot_size,
                     lot_base_atoms, tick_lot_quote_atoms, maker_fee_bps, taker_fee_bps, band_bps,
                     min_notional_atoms)
select $1 || '-' || $2, $1, $2,
       (select p from generate_series(0, $3::integer - 1) p
        left join markets m on m.partition = p group by p order by count(m.id), p limit 1),
       not exists (select from markets m where m.base = $1 and m.is_house),
       $4, $5, $6, $7, $8, $9, $10, $11, $12, $13
on conflict (symbol) do nothing
returning symbol

-- name: partition
select partition from markets where symbol = $1

-- name: status
select status from markets where symbol = $1
