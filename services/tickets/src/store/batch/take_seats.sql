-- The conditional write that decides who gets a seat: only a free one can be taken. Rows are found by lateral looks
-- into the index and written by their place, whatever the planner thinks of the table's size.
with taken as (
    update seat set state = wanted.state::"char", hold = wanted.hold
    from (
        select given.state, given.hold, found.place
        from unnest($1::int[], $2::int[], $3::text[], $4::uuid[]) as given (event, seat, state, hold)
        cross join lateral (
            select seat.ctid as place from seat where seat.event = given.event and seat.seat = given.seat offset 0
        ) as found
    ) as wanted
    where seat.ctid = wanted.place
      and seat.state = 'f'
    returning 1)
select expect_rows((select count(*) from taken), $5::bigint, 'free seats')
