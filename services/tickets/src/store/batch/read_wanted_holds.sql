-- The holds that keep the wanted seats, as far as their time is over.
select overdue.id, overdue.event, overdue.buyer, overdue.state, overdue.seats, overdue.seat_sections,
       overdue.seat_prices, overdue.areas, overdue.area_units, overdue.area_prices, overdue.created_at,
       overdue.expires_at, overdue.hard_deadline, overdue.order_id, overdue.version
from unnest($1::int[], $2::int[]) as given (event, seat)
cross join lateral (
    select seat.hold from seat where seat.event = given.event and seat.seat = given.seat and seat.state = 'h' offset 0
) as kept
cross join lateral (
    select * from hold where hold.id = kept.hold and hold.expires_at <= clock_timestamp() offset 0
) as overdue
