with has as (
    select event, buyer,
           sum(cardinality(seats) + coalesce((select sum(units) from unnest(area_units) as units), 0)) as units
    from hold
    where state in ('a', 's')
    group by event, buyer
)
select format('event %s buyer %s: has %s, counted %s of %s', coalesce(has.event, allowance.event),
              coalesce(has.buyer, allowance.buyer), coalesce(has.units, 0), coalesce(allowance.units, 0),
              allowance.units_max) as place
from has
full join allowance on allowance.event = has.event and allowance.buyer = has.buyer
where coalesce(has.units, 0) <> coalesce(allowance.units, 0) or allowance.units > allowance.units_max
