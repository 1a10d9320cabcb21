-- Requests are forgotten by their age. They are written in that order, so a summary of each range of pages finds the old
-- ones and costs nothing when a hold is placed.
create index request_made_at on request using brin (made_at);
