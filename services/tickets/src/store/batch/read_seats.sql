select seat.event, seat.seat, seat.state, seat.hold
from unnest($1::int[], $2::int[]) as wanted (event, seat)
join seat on seat.event = wanted.event and seat.seat = wanted.seat
