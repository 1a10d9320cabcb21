-- A limit lowered in the meantime never keeps anybody from giving seats back.
with returned as (
    update allowance
    set units = allowance.units - back.units, units_max = greatest(allowance.units_max, allowance.units - back.units)
    from (
        select given.units, found.place
        from unnest($1::int[], $2::uuid[], $3::int[]) as given (event, buyer, units)
        cross join lateral (
            select allowance.ctid as place from allowance
            where allowance.event = given.event and allowance.buyer = given.buyer offset 0
        ) as found
    ) as back
    where allowance.ctid = back.place
    returning 1)
select expect_rows((select count(*) from returned), $4::bigint, 'allowances')
