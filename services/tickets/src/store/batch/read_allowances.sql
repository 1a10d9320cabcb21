select given.event, given.buyer, found.units
from unnest($1::int[], $2::uuid[]) as given (event, buyer)
cross join lateral (
    select allowance.units from allowance
    where allowance.event = given.event and allowance.buyer = given.buyer offset 0
) as found
