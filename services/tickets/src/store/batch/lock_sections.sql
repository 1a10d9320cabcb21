select section.ctid as place, section.event, section.number, section.seq, section.capacity, section.held, section.sold,
       section.blocked
from section
where (section.event, section.number) in (select * from unnest($1::int[], $2::smallint[]))
order by section.event, section.number
for no key update
