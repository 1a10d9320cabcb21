-- The inventory: what can be sold, and to whom it belongs.
-- Constraints carry names, because a refused write is reported by the name of what refused it.

create table venue (
    id uuid constraint venue_pkey primary key,
    name text not null constraint venue_name_unique unique,
    address text not null default '',
    city text not null default '',
    country text not null default ''
);

-- An immutable version of a seating layout, named by the hash of its content.
create table layout (
    hash text constraint layout_pkey primary key,
    name text not null,
    document bytea not null,
    created_at timestamptz not null default now(),
    constraint layout_hash_is_hex check (hash ~ '^[0-9a-f]{32}$')
);

create table event (
    number integer generated always as identity constraint event_pkey primary key,
    id uuid not null constraint event_id_unique unique,
    slug text not null constraint event_slug_unique unique,
    name text not null,
    description text not null default '',
    venue uuid not null constraint event_venue_exists references venue (id),
    layout text not null constraint event_layout_exists references layout (hash),
    starts_at timestamptz not null,
    time_zone text not null,
    currency text not null,
    status text not null,
    on_sale_at timestamptz not null,
    off_sale_at timestamptz not null,
    hold_seconds integer not null,
    hold_seconds_max integer not null,
    seats_per_hold_max integer not null,
    seats_per_buyer_max integer not null,
    -- Price category -> minor units.
    prices jsonb not null,
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    constraint event_slug_is_readable check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(slug) <= 100),
    constraint event_currency_is_a_code check (currency ~ '^[A-Z]{3}$'),
    constraint event_status_is_known check (status in ('draft', 'published', 'paused', 'cancelled')),
    constraint event_sale_opens_before_it_closes check (on_sale_at < off_sale_at),
    constraint event_hold_times_are_sane
        check (hold_seconds between 1 and 86400 and hold_seconds_max between hold_seconds and 86400),
    constraint event_limits_are_sane
        check (seats_per_hold_max between 1 and 1000 and seats_per_buyer_max >= seats_per_hold_max)
);

-- A seated section, or a general-admission area: both are counted, numbered by seq, and locked first.
create table section (
    event integer not null constraint section_event_exists references event (number),
    number smallint not null,
    id text not null,
    kind "char" not null,
    -- Rises by one with every committed change, under this row's lock: it is in commit order.
    seq bigint not null default 0,
    capacity integer not null,
    held integer not null default 0,
    sold integer not null default 0,
    blocked integer not null default 0,
    constraint section_pkey primary key (event, number),
    constraint section_id_unique unique (event, id),
    constraint section_kind_is_known check (kind in ('s', 'a')),
    constraint section_not_oversold
        check (held >= 0 and sold >= 0 and blocked >= 0 and held + sold + blocked <= capacity)
) with (fillfactor = 50);

-- One row per event and seat: a seat has one state and at most one claim, because it has one row.
create table seat (
    event integer not null,
    seat integer not null,
    section smallint not null,
    state "char" not null default 'f',
    hold uuid,
    constraint seat_pkey primary key (event, seat),
    constraint seat_section_exists foreign key (event, section) references section (event, number),
    constraint seat_state_is_known check (state in ('f', 'h', 's', 'b')),
    constraint seat_claim_fits_state check ((state in ('h', 's')) = (hold is not null))
) with (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);

create function refuse_seat_transition() returns trigger language plpgsql as $$
begin
    raise exception 'seat % of event % cannot go from % to %', old.seat, old.event, old.state, new.state
        using errcode = 'check_violation', constraint = 'seat_never_taken_twice', table = 'seat';
end
$$;

-- Even a wrong statement cannot give away what is somebody's: a held seat ends free or sold under its own
-- hold, a sold seat is never held. The condition is evaluated for every row, the function only for offenders.
create trigger seat_never_taken_twice before update on seat for each row
    when ((old.state = 'h' and new.state in ('h', 's') and new.hold is distinct from old.hold)
       or (old.state = 'h' and new.state = 'b')
       or (old.state = 's' and new.state = 'h')
       or (old.state = 's' and new.state = 's' and new.hold is distinct from old.hold)
       or (old.state = 'b' and new.state in ('h', 's')))
    execute function refuse_seat_transition();

create table hold (
    id uuid constraint hold_pkey primary key,
    event integer not null,
    buyer uuid not null,
    state "char" not null default 'a',
    -- Positions in the layout; each with its price in minor units, frozen when the seat was taken.
    seats integer[] not null,
    seat_sections smallint[] not null,
    seat_prices bigint[] not null,
    areas smallint[] not null,
    area_units integer[] not null,
    area_prices bigint[] not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    hard_deadline timestamptz not null,
    order_id uuid,
    version bigint not null default 1,
    constraint hold_event_exists foreign key (event) references event (number),
    constraint hold_state_is_known check (state in ('a', 's', 'r', 'x')),
    constraint hold_ends_by_its_hard_deadline check (expires_at <= hard_deadline),
    constraint hold_has_a_price_for_each_item
        check (cardinality(seats) = cardinality(seat_prices) and cardinality(seats) = cardinality(seat_sections)
           and cardinality(areas) = cardinality(area_units) and cardinality(areas) = cardinality(area_prices)),
    constraint hold_is_not_empty check (cardinality(seats) + cardinality(areas) > 0),
    constraint hold_sold_has_order check (state <> 's' or order_id is not null)
) with (fillfactor = 80);

create index hold_expiry on hold (expires_at) where state = 'a';
create unique index hold_one_per_order on hold (order_id) where order_id is not null;

-- Request keys: the same key from the same buyer does nothing twice.
create table request (
    buyer uuid not null,
    key text not null,
    fingerprint uuid not null,
    hold uuid not null,
    made_at timestamptz not null default now(),
    constraint request_pkey primary key (buyer, key),
    constraint request_key_is_short check (length(key) between 1 and 128)
);

-- Seats and units a buyer has of an event, held and bought together.
create table allowance (
    event integer not null,
    buyer uuid not null,
    units integer not null,
    units_max integer not null,
    constraint allowance_pkey primary key (event, buyer),
    constraint allowance_not_exceeded check (units >= 0 and units <= units_max)
) with (fillfactor = 70);

create table ticket (
    id uuid constraint ticket_pkey primary key,
    event integer not null,
    seat integer,
    area smallint,
    hold uuid not null constraint ticket_hold_exists references hold (id),
    order_id uuid not null,
    state "char" not null default 'v',
    issued_at timestamptz not null default now(),
    constraint ticket_state_is_known check (state in ('v', 'x')),
    constraint ticket_is_for_a_seat_or_an_area check ((seat is null) <> (area is null))
);

create unique index ticket_one_per_seat on ticket (event, seat) where state = 'v' and seat is not null;
create index ticket_by_hold on ticket (hold);

-- Stops a transaction whose write touched other rows than were decided on. It lets a batch send its writes and
-- its commit together and still never commit a surprise.
create function expect_rows(touched bigint, expected bigint, what text) returns bigint language plpgsql as $$
begin
    if touched <> expected then
        raise exception 'a batch expected to write % rows of % but wrote %', expected, what, touched
            using errcode = 'triggered_action_exception', constraint = 'batch_writes_what_it_decided';
    end if;
    return touched;
end
$$;
