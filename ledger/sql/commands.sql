-- Commands as rows: written before they are records of the journal, and read again to build those.

-- name: add
insert into commands (market, number, kind, user_id, order_id, arguments)
select m.symbol, next_command_number(m.id), $2, $3, $4, $5::text::jsonb from markets m where m.symbol = $1
returning id, number

-- name: get
-- With the order that it places, from which the record's fields are read.
select c.id, c.market, m.partition, c.number, c.kind, c.user_id, c.order_id, c.arguments::text as arguments,
       o.kind as order_kind, o.side, o.lots, o.quote_atoms, o.price_ticks, o.time_in_force, o.post_only, o.self_trade,
       o.hold_asset, o.hold_atoms, o.placed_by, o.client_order_id, o.body_digest
from commands c
join markets m on m.symbol = c.market
left join orders o on o.id = c.order_id and o.command_id = c.id
where c.id = any ($1::bigint[])
order by c.market, c.number

-- name: states
select id, state, outcome from commands where id = any ($1::bigint[])
