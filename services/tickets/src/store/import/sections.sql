insert into section (event, number, id, kind, capacity)
select $1, number, id, kind::"char", capacity
from unnest($2::smallint[], $3::text[], $4::text[], $5::int[]) as given (number, id, kind, capacity)
