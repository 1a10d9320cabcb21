update orders set tickets = $2, version = version + 1 where id = $1 and tickets = '[]'
