select format('order %s: total %s, lines %s', id, total, sum_of_lines) as place
from (
    select id, total, state,
           (select coalesce(sum((line -> 'price' ->> 'amount')::bigint), 0) from jsonb_array_elements(lines) as line)
           as sum_of_lines
    from orders
) as summed
where total <> sum_of_lines
