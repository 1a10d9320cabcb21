select format('ticket %s comes from hold %s, which is %s for order %s', ticket.id, hold.id, hold.state, hold.order_id)
       as place
from ticket
join hold on hold.id = ticket.hold
where hold.state <> 's' or hold.order_id is distinct from ticket.order_id
union all
select format('hold %s is sold with %s of %s tickets', hold.id, count(ticket.id),
              cardinality(hold.seats) + coalesce((select sum(units) from unnest(hold.area_units) as units), 0))
from hold
left join ticket on ticket.hold = hold.id
where hold.state = 's'
group by hold.id
having count(ticket.id)
    <> cardinality(hold.seats) + coalesce((select sum(units) from unnest(hold.area_units) as units), 0)
