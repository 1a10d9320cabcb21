select event, number, seq from section where event = any($1) order by event, number
