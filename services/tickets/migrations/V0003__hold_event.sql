-- A hold is written only together with seats or units of its event, whose rows the batch has locked and counted: the
-- event is there. Looking it up again for every hold took a third of the time that writing holds takes.
alter table hold drop constraint hold_event_exists;
