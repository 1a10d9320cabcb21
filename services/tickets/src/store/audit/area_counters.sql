with held as (
    select event, area, sum(units) as units
    from hold, unnest(areas, area_units) as item (area, units)
    where state = 'a'
    group by event, area
), sold as (
    select event, area, count(*) as units from ticket where state = 'v' and area is not null group by event, area
)
select format('event %s area %s: held %s counted %s, sold %s counted %s, capacity %s', section.event, section.id,
              coalesce(held.units, 0), section.held, coalesce(sold.units, 0), section.sold, section.capacity) as place
from section
left join held on held.event = section.event and held.area = section.number
left join sold on sold.event = section.event and sold.area = section.number
where section.kind = 'a'
  and (section.held <> coalesce(held.units, 0) or section.sold <> coalesce(sold.units, 0)
    or section.held + section.sold + section.blocked > section.capacity)
