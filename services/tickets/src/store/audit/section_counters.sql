with counted as (
    select event, section, count(*) as capacity, count(*) filter (where state = 'h') as held,
           count(*) filter (where state = 's') as sold, count(*) filter (where state = 'b') as blocked
    from seat
    group by event, section
)
select format('event %s section %s: held %s counted %s, sold %s counted %s, capacity %s of %s seats', section.event,
              section.id, counted.held, section.held, counted.sold, section.sold, section.capacity, counted.capacity)
       as place
from section
left join counted on counted.event = section.event and counted.section = section.number
where section.kind = 's'
  and (section.capacity, section.held, section.sold, section.blocked)
      is distinct from (coalesce(counted.capacity, 0), coalesce(counted.held, 0), coalesce(counted.sold, 0),
                        coalesce(counted.blocked, 0))
