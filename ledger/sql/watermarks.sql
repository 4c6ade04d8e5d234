-- How far the consumers of topics have come. Written in the transaction of what was read, locked before all else.

-- name: read
select market, seq, source_offset, chain, next_offset from watermarks
where consumer = $1 and topic = $2 and partition = $3

-- name: lock
select market, seq, source_offset, chain, next_offset from watermarks
where consumer = $1 and topic = $2 and partition = $3 and market = any ($4::text[])
order by market for update

-- name: add
insert into watermarks (consumer, topic, partition, market, seq, source_offset, chain, next_offset)
select $1, $2, $3, market, 0, -1, $5, 0 from unnest($4::text[]) as m (market) order by market
on conflict do nothing

-- name: move
update watermarks w
set seq = n.seq, source_offset = n.source_offset, chain = n.chain, next_offset = n.next_offset, updated_at = now()
from unnest($4::text[], $5::bigint[], $6::bigint[], $7::text[], $8::bigint[])
    as n (market, seq, source_offset, chain, next_offset)
where w.consumer = $1 and w.topic = $2 and w.partition = $3 and w.market = n.market
