insert into seat (event, seat, section)
select $1, seat, section from unnest($2::int[], $3::smallint[]) as given (seat, section)
