-- The version tells the owner of the live view apart what it has shown.
update orders
set state = $2, event = $3, event_name = $4, lines = $5, total = $6, currency = $7,
    expires_at = case when hold_version < $9 then $8 else expires_at end,
    hold_version = greatest(hold_version, $9), version = version + 1
where id = $1 and state = 'created'
