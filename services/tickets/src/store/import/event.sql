insert into event (id, slug, name, description, venue, layout, starts_at, time_zone, currency, status, on_sale_at,
                   off_sale_at, hold_seconds, hold_seconds_max, seats_per_hold_max, seats_per_buyer_max, prices)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'published', $10, $11, $12, $13, $14, $15, $16)
returning number
