select format('event %s seat %s is sold with %s tickets', seat.event, seat.seat, count(ticket.id)) as place
from seat
left join ticket on ticket.event = seat.event and ticket.seat = seat.seat and ticket.state = 'v' and ticket.hold = seat.hold
where seat.state = 's'
group by seat.event, seat.seat
having count(ticket.id) <> 1
union all
select format('ticket %s is valid but event %s seat %s is %s', ticket.id, ticket.event, ticket.seat, seat.state)
from ticket
join seat on seat.event = ticket.event and seat.seat = ticket.seat
where ticket.state = 'v' and seat.state <> 's'
