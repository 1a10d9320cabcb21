-- Only what its own hold keeps is freed: a stale release never unlocks somebody else's seat.
with freed as (
    update seat set state = 'f', hold = null
    from (
        select given.hold, found.place
        from unnest($1::int[], $2::int[], $3::uuid[]) as given (event, seat, hold)
        cross join lateral (
            select seat.ctid as place from seat where seat.event = given.event and seat.seat = given.seat offset 0
        ) as found
    ) as wanted
    where seat.ctid = wanted.place
      and seat.state = 'h' and seat.hold = wanted.hold
    returning 1)
select expect_rows((select count(*) from freed), $4::bigint, 'held seats to free')
