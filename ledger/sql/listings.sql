-- Currencies, markets and the commands that tell the journal of them.

-- name: add_currency
insert into currencies (code, name, scale) values ($1, $2, $3) on conflict (code) do nothing returning code

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
