-- When an order changed last, whoever changed it: the owner of its live view looks for what it was not told.
-- The constant first, so that no row is rewritten; nothing of before was missed.
alter table orders add column changed_at timestamptz not null default '-infinity';
alter table orders alter column changed_at set default clock_timestamp();

create function note_change() returns trigger language plpgsql as $$
begin
    new.changed_at := clock_timestamp();
    return new;
end
$$;

create trigger orders_note_change before update on orders for each row execute function note_change();

create index orders_changed on orders (changed_at);
