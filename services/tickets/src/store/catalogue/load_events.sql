select event.number, event.id, event.slug, event.name, event.description, event.layout, event.starts_at,
       event.time_zone, event.currency, event.status, event.on_sale_at, event.off_sale_at, event.hold_seconds,
       event.hold_seconds_max, event.seats_per_hold_max, event.seats_per_buyer_max, event.prices, event.version,
       venue.name as venue_name, venue.address, venue.city, venue.country
from event
join venue on venue.id = event.venue
where event.number = any($1)
