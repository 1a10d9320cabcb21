select number, status, on_sale_at, off_sale_at, starts_at, hold_seconds, hold_seconds_max, seats_per_hold_max,
       seats_per_buyer_max, version
from event
where number = any($1)
