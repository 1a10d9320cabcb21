select format('hold %s is active %s after its expiry', id, clock_timestamp() - expires_at) as place
from hold
where state = 'a' and expires_at < clock_timestamp() - interval '10 seconds'
