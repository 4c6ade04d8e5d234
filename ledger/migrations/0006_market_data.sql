-- What the market looked like: trades of the book, added up by time. Made from the topic `trades`, and again when lost.

create table candles (
    market      text collate "C" not null,
    interval_s  integer not null,
    open_time   timestamptz not null,
    open_ticks  bigint not null,
    high_ticks  bigint not null,
    low_ticks   bigint not null,
    close_ticks bigint not null,
    lots        numeric(38, 0) not null,
    trades      bigint not null,
    primary key (market, interval_s, open_time),
    constraint candles_interval check (interval_s in (1, 60, 300, 900, 3600, 14400, 86400)),
    constraint candles_prices check (low_ticks > 0 and low_ticks <= least(open_ticks, close_ticks)
        and high_ticks >= greatest(open_ticks, close_ticks)),
    constraint candles_amounts check (lots > 0 and trades > 0)
) with (fillfactor = 70);
comment on column candles.lots is 'A sum over a day may pass what a bigint holds.';
