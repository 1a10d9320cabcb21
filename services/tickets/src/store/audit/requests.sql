select format('request %s of buyer %s stands for hold %s of buyer %s', request.key, request.buyer, request.hold, hold.buyer)
       as place
from request
left join hold on hold.id = request.hold
where hold.buyer is distinct from request.buyer
