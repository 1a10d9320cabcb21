with changed as (
    update hold
    set state = next.state::"char", seats = next.seats::int[], seat_sections = next.seat_sections::smallint[],
        seat_prices = next.seat_prices::bigint[], areas = next.areas::smallint[], area_units = next.area_units::int[],
        area_prices = next.area_prices::bigint[], expires_at = next.expires_at, order_id = next.order_id,
        version = next.version
    from (
        select given.*, found.place
        from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                    $9::timestamptz[], $10::uuid[], $11::bigint[])
          as given (id, state, seats, seat_sections, seat_prices, areas, area_units, area_prices, expires_at,
                    order_id, version)
        cross join lateral (select hold.ctid as place from hold where hold.id = given.id offset 0) as found
    ) as next
    where hold.ctid = next.place and hold.version = next.version - 1
    returning 1)
select expect_rows((select count(*) from changed), $12::bigint, 'holds')
