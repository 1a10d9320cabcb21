select id, event, buyer, state, seats, seat_sections, seat_prices, areas, area_units, area_prices, created_at,
       expires_at, hard_deadline, order_id, version
from hold
where id = any($1)
