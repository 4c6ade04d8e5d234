-- Who there is: users, their login sessions, and what admins did.

create table users (
    id            bigint generated always as identity primary key,
    username      text collate "C" unique,
    name          text,
    password_hash text,
    is_admin      boolean not null default false,
    created_at    timestamptz not null default now(),
    constraint users_username_form check (username ~ '^[a-z0-9_.-]{3,32}$'),
    constraint users_are_called_something check (username is not null or name is not null)
);
comment on table users is 'Customers without a login have a name and no username.';

-- A login starts a family; each refresh spends a token and issues the next. Reuse of a spent one ends the family.
create table refresh_families (
    id         bigint generated always as identity primary key,
    user_id    bigint not null references users,
    created_at timestamptz not null default now(),
    ended_at   timestamptz,
    end_reason text,
    constraint refresh_families_end check ((ended_at is null) = (end_reason is null))
);
create index refresh_families_alive on refresh_families (user_id) where ended_at is null;

create table refresh_tokens (
    token_hash bytea primary key,
    family_id  bigint not null references refresh_families,
    issued_at  timestamptz not null default now(),
    expires_at timestamptz not null,
    spent_at   timestamptz,
    constraint refresh_tokens_sha256 check (octet_length(token_hash) = 32)
);
create index refresh_tokens_family on refresh_tokens (family_id);

-- Signatures of signed requests that moved money. They are unique as bytes, however they were written down, and may
-- be forgotten once no window can admit their timestamp again.
create table request_signatures (
    signature bytea primary key,
    user_id   bigint not null,
    seen_at   timestamptz not null default now()
);
create index request_signatures_seen on request_signatures (seen_at);

create table audit_log (
    id         bigint generated always as identity primary key,
    at         timestamptz not null default now(),
    actor_id   bigint,
    action     text not null,
    subject    text,
    detail     jsonb not null default '{}',
    address    text,
    request_id text
);
create index audit_log_actor on audit_log (actor_id, id);
