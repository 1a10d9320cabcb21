select format('hold %s has a missing or negative price', id) as place
from hold
where exists (select 1 from unnest(seat_prices || area_prices) as price where price is null or price < 0)
   or exists (select 1 from unnest(area_units) as units where units < 1)
