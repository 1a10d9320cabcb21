select request.buyer, request.key, request.fingerprint, request.hold
from unnest($1::uuid[], $2::text[]) as wanted (buyer, key)
join request on request.buyer = wanted.buyer and request.key = wanted.key
