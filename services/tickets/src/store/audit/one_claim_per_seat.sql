select format('event %s seat %s has %s claims', event, seat, count(*)) as place
from (
    select event, unnest(seats) as seat from hold where state = 'a'
    union all
    select event, seat from ticket where state = 'v' and seat is not null
) as claim
group by event, seat
having count(*) > 1
