select allowance.event, allowance.buyer, allowance.units
from unnest($1::int[], $2::uuid[]) as wanted (event, buyer)
join allowance on allowance.event = wanted.event and allowance.buyer = wanted.buyer
