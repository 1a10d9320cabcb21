-- New holds, the requests that they answer, and what their buyers have now, in one flight of one statement.
with placed as (
    insert into hold (id, event, buyer, seats, seat_sections, seat_prices, areas, area_units, area_prices,
                      created_at, expires_at, hard_deadline)
    select id, event, buyer, seats::int[], seat_sections::smallint[], seat_prices::bigint[], areas::smallint[],
           area_units::int[], area_prices::bigint[], $10::timestamptz, expires_at, hard_deadline
    from unnest($1::uuid[], $2::int[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                $9::text[], $11::timestamptz[], $12::timestamptz[])
      as given (id, event, buyer, seats, seat_sections, seat_prices, areas, area_units, area_prices, expires_at,
                hard_deadline)),
remembered as (
    insert into request (buyer, key, fingerprint, hold)
    select * from unnest($13::uuid[], $14::text[], $15::uuid[], $16::uuid[]))
insert into allowance as has (event, buyer, units, units_max)
select event, buyer, change, units_max
from unnest($17::int[], $18::uuid[], $19::int[], $20::int[]) as wanted (event, buyer, change, units_max)
order by event, buyer
on conflict (event, buyer) do update
set units = has.units + excluded.units, units_max = excluded.units_max
