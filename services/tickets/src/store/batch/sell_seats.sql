with sold as (
    update seat set state = 's'
    from unnest($1::tid[], $2::uuid[]) as wanted (place, hold)
    where seat.ctid = wanted.place
      and seat.state = 'h' and seat.hold = wanted.hold
    returning 1)
select expect_rows((select count(*) from sold), $3::bigint, 'held seats to sell')
