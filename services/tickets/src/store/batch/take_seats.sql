-- The conditional write that decides who gets a seat: only a free one can be taken. Its row is written at the place where
-- it was read under the section's lock, which no planner can turn into a scan.
with taken as (
    update seat set state = wanted.state::"char", hold = wanted.hold
    from unnest($1::tid[], $2::text[], $3::uuid[]) as wanted (place, state, hold)
    where seat.ctid = wanted.place
      and seat.state = 'f'
    returning 1)
select expect_rows((select count(*) from taken), $4::bigint, 'free seats')
