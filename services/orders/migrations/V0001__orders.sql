-- Orders: what a buyer pays for, made from a hold.

create table orders (
    id uuid constraint orders_pkey primary key,
    number text not null constraint orders_number_unique unique,
    buyer uuid not null,
    hold uuid not null,
    -- Version of the hold that expires_at comes from.
    hold_version bigint not null default 0,
    state text not null default 'created',
    event uuid,
    event_name text not null default '',
    email text,
    lines jsonb not null default '[]',
    total bigint not null default 0,
    currency text,
    tickets jsonb not null default '[]',
    request_key text not null,
    fingerprint uuid not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    version bigint not null default 1,
    constraint orders_request_once unique (buyer, request_key),
    constraint orders_state_is_known
        check (state in ('created', 'awaiting_payment', 'paid', 'refunded', 'expired', 'cancelled')),
    constraint orders_claimed_has_content
        check (state in ('created', 'expired', 'cancelled')
            or (event is not null and currency is not null and jsonb_array_length(lines) > 0)),
    constraint orders_total_is_not_negative check (total >= 0),
    constraint orders_key_is_short check (length(request_key) between 1 and 128),
    constraint orders_email_is_short check (length(email) <= 254)
);

create index orders_by_buyer on orders (buyer, created_at desc);
create index orders_awaiting on orders (expires_at) where state = 'awaiting_payment';
create index orders_created on orders (created_at) where state = 'created';
