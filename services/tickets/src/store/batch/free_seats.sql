-- Only what its own hold keeps is freed: a stale release never unlocks somebody else's seat.
with freed as (
    update seat set state = 'f', hold = null
    from unnest($1::tid[], $2::uuid[]) as wanted (place, hold)
    where seat.ctid = wanted.place
      and seat.state = 'h' and seat.hold = wanted.hold
    returning 1)
select expect_rows((select count(*) from freed), $3::bigint, 'held seats to free')
