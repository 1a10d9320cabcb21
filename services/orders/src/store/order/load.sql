-- Named columns: with a star, a column that a newer version adds would break the prepared statement of this one.
select id, number, buyer, hold, state, event, event_name, email, lines, total, currency, tickets, fingerprint,
    created_at, expires_at
from orders where id = $1
