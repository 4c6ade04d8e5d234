-- What the runner of migrations needs of the database.

-- name: lock
select pg_advisory_lock(hashtextextended('tidemark.migrations.' || $1::text, 0))

-- name: table
create table if not exists migrations (
    number     integer primary key,
    name       text not null,
    checksum   text not null,
    applied_at timestamptz not null default now()
)

-- name: applied
select number, name, checksum from migrations order by number

-- name: record
insert into migrations (number, name, checksum) values ($1, $2, $3)
