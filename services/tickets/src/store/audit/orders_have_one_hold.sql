select format('order %s is bound to %s holds', order_id, count(*)) as place
from hold
where order_id is not null
group by order_id
having count(*) > 1
