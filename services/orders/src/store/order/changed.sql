-- The trigger writes the time before the commit: whoever asks begins somewhat earlier than what was seen last.
select id, buyer, changed_at from orders where changed_at > $1 order by changed_at limit $2
