select format('order %s is %s with %s tickets for %s units', id, state, jsonb_array_length(tickets), units) as place
from (
    select id, state, tickets,
           (select coalesce(sum((line ->> 'quantity')::int), 0) from jsonb_array_elements(lines) as line) as units
    from orders
) as counted
where jsonb_array_length(tickets) > 0 and (state not in ('paid', 'refunded') or jsonb_array_length(tickets) <> units)
