select event, number, seq, capacity, held, sold, blocked
from section
where (event, number) in (select * from unnest($1::int[], $2::smallint[]))
order by event, number
for no key update
