-- Facts leave through the outbox; the inbox makes an effect happen once.
create table outbox (
    number bigint generated always as identity constraint outbox_pkey primary key,
    fact uuid not null,
    subject text not null,
    payload text not null,
    written_at timestamptz not null default now()
);

create table inbox (
    consumer text not null,
    fact uuid not null,
    handled_at timestamptz not null default now(),
    constraint inbox_pkey primary key (consumer, fact)
);

-- Which replica owns the live view of what. The epoch rises with every new owner.
create table lease (
    key text constraint lease_pkey primary key,
    holder text,
    epoch bigint not null default 0,
    expires_at timestamptz not null default '-infinity'
);

create table lease_replica (
    replica text constraint lease_replica_pkey primary key,
    seen_until timestamptz not null
);
