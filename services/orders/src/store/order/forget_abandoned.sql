-- Never bound to a hold, and nobody will try again with its key.
delete from orders where state = 'created' and created_at < statement_timestamp() - interval '1 hour'
