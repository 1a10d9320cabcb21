-- Which span wrote a fact: a trace goes on behind the outbox.
alter table outbox add column traceparent text;
