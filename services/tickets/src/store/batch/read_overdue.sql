-- The statement's own start, not the clock: it is constant within the statement, so the index can be searched by it.
select id, event
from hold
where state = 'a' and expires_at <= statement_timestamp() and event = any($1) and cardinality(areas) > 0
order by expires_at
limit 500
