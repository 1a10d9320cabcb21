select format('hold %s of event %s: seat %s is %s', hold.id, hold.event, item.seat, coalesce(seat.state, '?')) as place
from hold
cross join lateral unnest(hold.seats) as item (seat)
left join seat on seat.event = hold.event and seat.seat = item.seat
where hold.state = 'a' and (seat.state is distinct from 'h' or seat.hold is distinct from hold.id)
union all
select format('event %s seat %s is held by %s, which is %s', seat.event, seat.seat, seat.hold, coalesce(hold.state, '?'))
from seat
left join hold on hold.id = seat.hold
where seat.state = 'h' and (hold.state is distinct from 'a' or not seat.seat = any(hold.seats))
