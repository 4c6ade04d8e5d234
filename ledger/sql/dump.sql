-- What a dump needs to know of the schema it is connected to.

-- name: tables
-- Every table but the list of migrations, with its columns (generated ones make themselves) and its key.
select c.relname as name,
       array_agg(a.attname::text order by a.attnum) filter (where a.attgenerated = '') as columns,
       (select array_agg(k.attname::text order by array_position(i.indkey::int2[], k.attnum))
        from pg_index i join pg_attribute k on k.attrelid = i.indrelid and k.attnum = any (i.indkey)
        where i.indrelid = c.oid and i.indisprimary) as key
from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p') and c.relname <> 'migrations'
group by c.oid, c.relname
order by c.relname

-- name: references
select r.relname as referring, f.relname as referred
from pg_constraint n join pg_class r on r.oid = n.conrelid join pg_class f on f.oid = n.confrelid
where n.contype = 'f' and n.connamespace = current_schema()::regnamespace
order by 1, 2

-- name: sequences
select sequencename::text as name, last_value from pg_sequences where schemaname = current_schema() order by 1

-- name: lift
select setval(format('%I', $1::text)::regclass, $2::bigint)
