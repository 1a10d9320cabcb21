-- The hold's end is told by a fact well before this; it is for the fact that never comes, and for the longer time that
-- was not told yet.
select id from orders
where state = 'awaiting_payment' and expires_at < statement_timestamp() - interval '5 seconds'
order by expires_at limit 200
