-- How a run of executions enters the books: one look, and one call that writes it all (ledger/migrations/0009).

-- name: assets
select symbol, base, quote from markets where symbol = any ($1::text[])

-- name: look
-- All of one moment: orders with their seq; of the commands those that are still pending, with the order that each is
-- about; and how far the books are.
select 'order' as what, o.id, o.seq as other, o.user_id, o.side, o.state, o.lots, o.filled_lots, o.filled_quote_atoms,
       o.held_remaining, o.reason
from unnest($1::text::bigint[]) as asked (id)
join orders o on o.id = asked.id
union all
select 'command', c.id, c.order_id, null, null, null, null, null, null, null, null
from unnest($2::text::bigint[]) as asked (id)
join commands c on c.id = asked.id
where c.decided_at is null
union all
select 'watermark', w.seq, w.next_offset, w.source_offset, w.chain, w.market, null, null, null, null, null
from unnest($6::text[]) as asked (market)
join watermarks w on w.consumer = $3 and w.topic = $4 and w.partition = $5 and w.market = asked.market

-- name: write
select settle_run($1, $2, $3, $4::text::watermark_step[], $5::text::wallet_move[], $6::text::order_change[],
                  $7::text::account_move[], $8::text::settled_trade[], $9::text::trade_leg[],
                  $10::text::command_outcome[], $11::text::market_terms[])
