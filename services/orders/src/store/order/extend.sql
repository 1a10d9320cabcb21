update orders set expires_at = $2, hold_version = $3, version = version + 1 where id = $1 and hold_version < $3
