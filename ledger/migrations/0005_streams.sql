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
