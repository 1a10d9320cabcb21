insert into request (buyer, key, fingerprint, hold)
select * from unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[])
