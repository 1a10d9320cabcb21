update orders set state = $2, version = version + 1 where id = $1 and state = $3
