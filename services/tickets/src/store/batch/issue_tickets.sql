insert into ticket (id, event, seat, area, hold, order_id)
select * from unnest($1::uuid[], $2::int[], $3::int[], $4::smallint[], $5::uuid[], $6::uuid[])
