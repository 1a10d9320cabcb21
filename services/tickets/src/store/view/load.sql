-- Counters and states of sections in one statement, so in one snapshot: they fit together.
select section.number, section.seq, section.capacity, section.held, section.sold, section.blocked,
       coalesce(states.letters, '') as letters
from section
left join (select seat.section, string_agg(seat.state::text, '' order by seat.seat) as letters
           from seat
           where seat.event = $1 and seat.seat >= $3 and seat.seat < $4
           group by seat.section) as states on states.section = section.number
where section.event = $1 and section.number = any($2)
