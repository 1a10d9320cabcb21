with counted as (
    update section set seq = section.seq + 1, held = section.held + change.held, sold = section.sold + change.sold
    from unnest($1::int[], $2::smallint[], $3::int[], $4::int[]) as change (event, number, held, sold)
    where section.event = change.event and section.number = change.number
    returning 1)
select expect_rows((select count(*) from counted), $5::bigint, 'sections')
