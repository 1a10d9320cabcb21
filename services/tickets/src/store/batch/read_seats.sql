-- Lateral, so that whatever the planner thinks of the table's size, each wanted row is one look into an index: the
-- plan is made once a connection, often while the tables are still small.
select given.event, given.seat, found.place, found.state, found.hold, claim.buyer, claim.expires_at
from unnest($1::int[], $2::int[]) as given (event, seat)
cross join lateral (
    select seat.ctid as place, seat.state, seat.hold
    from seat
    where seat.event = given.event and seat.seat = given.seat offset 0
) as found
left join lateral (
    select hold.buyer, hold.expires_at from hold where hold.id = found.hold offset 0
) as claim on true
