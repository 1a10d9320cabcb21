insert into allowance as has (event, buyer, units, units_max)
select event, buyer, change, units_max
from unnest($1::int[], $2::uuid[], $3::int[], $4::int[]) as wanted (event, buyer, change, units_max)
order by event, buyer
on conflict (event, buyer) do update
set units = has.units + excluded.units, units_max = excluded.units_max
