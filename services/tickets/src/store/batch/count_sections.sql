with counted as (
    update section set seq = section.seq + 1, held = section.held + change.held, sold = section.sold + change.sold
    from (
        select given.held, given.sold, found.place
        from unnest($1::int[], $2::smallint[], $3::int[], $4::int[]) as given (event, number, held, sold)
        cross join lateral (
            select section.ctid as place from section
            where section.event = given.event and section.number = given.number offset 0
        ) as found
    ) as change
    where section.ctid = change.place
    returning 1)
select expect_rows((select count(*) from counted), $5::bigint, 'sections')
