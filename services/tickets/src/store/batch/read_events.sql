-- The clock comes in any case, also when no event is asked for.
select now, number, status, on_sale_at, off_sale_at, starts_at, hold_seconds, hold_seconds_max, seats_per_hold_max,
       seats_per_buyer_max, version
from (select clock_timestamp() as now) as clock
left join event on number = any($1)
