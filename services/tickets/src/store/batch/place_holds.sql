insert into hold (id, event, buyer, seats, seat_sections, seat_prices, areas, area_units, area_prices,
                  created_at, expires_at, hard_deadline)
select id, event, buyer, seats::int[], seat_sections::smallint[], seat_prices::bigint[], areas::smallint[],
       area_units::int[], area_prices::bigint[], $10::timestamptz, expires_at, hard_deadline
from unnest($1::uuid[], $2::int[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
            $9::text[], $11::timestamptz[], $12::timestamptz[])
  as placed (id, event, buyer, seats, seat_sections, seat_prices, areas, area_units, area_prices, expires_at,
             hard_deadline)
