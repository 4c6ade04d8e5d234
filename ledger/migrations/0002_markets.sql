-- What can be owned and where it is traded. Scale, tick, lot and partition are fixed for life.

create table currencies (
    code       text collate "C" primary key,
    name       text not null,
    scale      smallint not null,
    created_at timestamptz not null default now(),
    constraint currencies_code_form check (code ~ '^[A-Z0-9]{1,16}$'),
    constraint currencies_scale check (scale between 0 and 8)
);
insert into currencies (code, name, scale) values ('USD', 'US dollar', 8);

create table markets (
    id                   integer generated always as identity primary key,
    symbol               text collate "C" not null unique,
    base                 text collate "C" not null references currencies,
    quote                text collate "C" not null references currencies,
    partition            integer not null,
    is_house             boolean not null default false,
    base_scale           smallint not null,
    quote_scale          smallint not null,
    tick_size            numeric not null,
    lot_size             numeric not null,
    lot_base_atoms       bigint not null,
    tick_lot_quote_atoms bigint not null,
    status               text not null default 'opening',
    maker_fee_bps        integer not null default 0,
    taker_fee_bps        integer not null default 0,
    band_bps             integer not null default 0,
    min_notional_atoms   bigint not null default 0,
    house_price_ticks    bigint,
    version              bigint not null default 0,
    created_at           timestamptz not null default now(),
    constraint markets_symbol_is_the_pair check (symbol = base || '-' || quote),
    constraint markets_two_assets check (base <> quote),
    constraint markets_partition check (partition >= 0),
    constraint markets_lot_is_whole_atoms
        check (lot_base_atoms > 0 and lot_size * 10::numeric ^ base_scale = lot_base_atoms),
    constraint markets_value_is_whole_atoms
        check (tick_lot_quote_atoms > 0
               and tick_size * lot_size * 10::numeric ^ quote_scale = tick_lot_quote_atoms),
    constraint markets_status check (status in ('opening', 'open', 'post_only', 'cancel_only', 'halted', 'rejected')),
    constraint markets_fees check (maker_fee_bps between 0 and 10000 and taker_fee_bps between 0 and 10000),
    constraint markets_band check (band_bps >= 0),
    constraint markets_min_notional check (min_notional_atoms >= 0),
    constraint markets_house_price check (house_price_ticks > 0)
);
comment on column markets.version is 'The execution seq of the last change; 0 until the journal has opened the market.';
-- The house sells a currency in one market.
create unique index markets_house on markets (base) where is_house;

-- Commands are numbered per market. A sequence each: no row to lock, and gaps do not matter.
create function open_command_numbers() returns trigger language plpgsql as $$
begin
    execute format('create sequence %I', 'command_numbers_' || new.id);
    return new;
end $$;
create trigger markets_open_command_numbers after insert on markets
    for each row execute function open_command_numbers();

create function next_command_number(market_id integer) returns bigint language sql volatile as
    $$ select nextval(('command_numbers_' || market_id)::regclass) $$;
