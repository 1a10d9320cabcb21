-- The holds that keep the wanted seats, as far as their time is over.
select hold.id, hold.event, hold.buyer, hold.state, hold.seats, hold.seat_sections, hold.seat_prices, hold.areas,
       hold.area_units, hold.area_prices, hold.created_at, hold.expires_at, hold.hard_deadline, hold.order_id,
       hold.version
from unnest($1::int[], $2::int[]) as wanted (event, seat)
join seat on seat.event = wanted.event and seat.seat = wanted.seat and seat.state = 'h'
join hold on hold.id = seat.hold and hold.expires_at <= clock_timestamp()
