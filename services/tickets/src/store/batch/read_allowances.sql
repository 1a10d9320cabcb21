-- Locked in the order of the arrays, so that batches that give to one buyer and take from another never deadlock.
select given.event, given.buyer, found.units
from unnest($1::int[], $2::uuid[]) as given (event, buyer)
cross join lateral (
    select allowance.units from allowance
    where allowance.event = given.event and allowance.buyer = given.buyer
    for no key update
) as found
