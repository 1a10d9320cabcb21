insert into venue (id, name, address, city, country) values ($1, $2, $3, $4, $5)
on conflict (name) do update set name = excluded.name
returning id
