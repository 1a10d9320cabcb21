-- The holds with which the repeated requests were answered.
select hold.id, hold.event, hold.buyer, hold.state, hold.seats, hold.seat_sections, hold.seat_prices, hold.areas,
       hold.area_units, hold.area_prices, hold.created_at, hold.expires_at, hold.hard_deadline, hold.order_id,
       hold.version
from unnest($1::uuid[], $2::text[]) as wanted (buyer, key)
join request on request.buyer = wanted.buyer and request.key = wanted.key
join hold on hold.id = request.hold
