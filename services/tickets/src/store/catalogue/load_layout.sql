select document from layout where hash = $1
