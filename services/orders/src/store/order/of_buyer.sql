select id from orders where buyer = $1 and state <> 'created' order by created_at desc, id desc limit $2
