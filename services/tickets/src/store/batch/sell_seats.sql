with sold as (
    update seat set state = 's'
    from unnest($1::int[], $2::int[], $3::uuid[]) as wanted (event, seat, hold)
    where seat.event = wanted.event and seat.seat = wanted.seat
      and seat.state = 'h' and seat.hold = wanted.hold
    returning 1)
select expect_rows((select count(*) from sold), $4::bigint, 'held seats to sell')
