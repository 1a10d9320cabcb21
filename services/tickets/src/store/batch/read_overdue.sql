select id, event
from hold
where state = 'a' and expires_at <= clock_timestamp() and event = any($1) and cardinality(areas) > 0
order by expires_at
limit 500
