with counted as (
    update section set seq = section.seq + 1, held = section.held + change.held, sold = section.sold + change.sold
    from unnest($1::tid[], $2::int[], $3::int[]) as change (place, held, sold)
    where section.ctid = change.place
    returning 1)
select expect_rows((select count(*) from counted), $4::bigint, 'sections')
