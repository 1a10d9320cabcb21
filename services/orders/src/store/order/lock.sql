select * from orders where id = $1 for update
