-- Every replica looks in an order of its own ($1), so that several share the work instead of repeating it.
select id from (
    select id from hold where state = 'a' and expires_at <= statement_timestamp() order by expires_at limit 20000
) as overdue
order by hashtextextended(id::text, $1)
limit $2
