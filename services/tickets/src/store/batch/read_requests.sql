select given.buyer, given.key, found.fingerprint, found.hold
from unnest($1::uuid[], $2::text[]) as given (buyer, key)
cross join lateral (
    select request.fingerprint, request.hold from request
    where request.buyer = given.buyer and request.key = given.key offset 0
) as found
