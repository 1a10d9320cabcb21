-- The same guards at a lower price; each was found in a profile of two-seat holds.

-- A hold is written only together with seats or units of its event, whose rows the batch has locked and counted: the
-- event is there. Looking it up again costs every hold a query of its own.
alter table hold drop constraint hold_event_exists;

-- A trigger before an update makes the database lock and log every row once more. After it, the condition is
-- evaluated just the same, and an offender still ends the transaction.
drop trigger seat_never_taken_twice on seat;
create trigger seat_never_taken_twice after update on seat for each row
    when ((old.state = 'h' and new.state in ('h', 's') and new.hold is distinct from old.hold)
       or (old.state = 'h' and new.state = 'b')
       or (old.state = 's' and new.state = 'h')
       or (old.state = 's' and new.state = 's' and new.hold is distinct from old.hold)
       or (old.state = 'b' and new.state in ('h', 's')))
    execute function refuse_seat_transition();
