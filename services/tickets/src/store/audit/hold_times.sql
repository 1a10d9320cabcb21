select format('hold %s expires %s after its hard deadline', id, expires_at - hard_deadline) as place
from hold
where expires_at > hard_deadline or expires_at < created_at
