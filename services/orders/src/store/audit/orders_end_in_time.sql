select format('order %s awaits payment %s after its expiry', id, clock_timestamp() - expires_at) as place
from orders
where state = 'awaiting_payment' and expires_at < clock_timestamp() - interval '30 seconds'
