insert into orders (id, number, buyer, hold, email, request_key, fingerprint)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (buyer, request_key) do nothing
