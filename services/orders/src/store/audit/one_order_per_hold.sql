select format('hold %s has %s orders', hold, count(*)) as place
from orders
where state in ('awaiting_payment', 'paid', 'refunded')
group by hold
having count(*) > 1
