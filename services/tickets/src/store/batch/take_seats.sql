-- The conditional write that decides who gets a seat: only a free one can be taken.
with taken as (
    update seat set state = wanted.state::"char", hold = wanted.hold
    from unnest($1::int[], $2::int[], $3::text[], $4::uuid[]) as wanted (event, seat, state, hold)
    where seat.event = wanted.event and seat.seat = wanted.seat
      and seat.state = 'f'
    returning 1)
select expect_rows((select count(*) from taken), $5::bigint, 'free seats')
