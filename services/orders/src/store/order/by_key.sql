select * from orders where buyer = $1 and request_key = $2
