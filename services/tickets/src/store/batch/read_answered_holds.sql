-- The holds with which the repeated requests were answered.
select answered.id, answered.event, answered.buyer, answered.state, answered.seats, answered.seat_sections,
       answered.seat_prices, answered.areas, answered.area_units, answered.area_prices, answered.created_at,
       answered.expires_at, answered.hard_deadline, answered.order_id, answered.version
from unnest($1::uuid[], $2::text[]) as given (buyer, key)
cross join lateral (
    select request.hold from request where request.buyer = given.buyer and request.key = given.key offset 0
) as found
cross join lateral (select * from hold where hold.id = found.hold offset 0) as answered
