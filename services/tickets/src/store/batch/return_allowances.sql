-- A limit lowered in the meantime never keeps anybody from giving seats back.
with returned as (
    update allowance
    set units = allowance.units - given.units, units_max = greatest(allowance.units_max, allowance.units - given.units)
    from unnest($1::int[], $2::uuid[], $3::int[]) as given (event, buyer, units)
    where allowance.event = given.event and allowance.buyer = given.buyer
    returning 1)
select expect_rows((select count(*) from returned), $4::bigint, 'allowances')
