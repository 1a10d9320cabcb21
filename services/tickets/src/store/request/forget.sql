-- A buyer's program repeats a request within seconds, a person within hours. Rows that a batch is reading are left for
-- the next time.
delete from request
where ctid = any (array(
    select ctid from request
    where made_at < now() - interval '7 days'
    limit $1
    for update skip locked))
