-- The bound on the time of an execution is what its first event says, whatever is deployed since.

-- The instant at which its time is over: 0 where it has no bound, null where the first event does not say, as none does
-- that is older than this. What is overdue while nothing runs it is found by it.
alter table execution add column deadline_us integer;
create index execution_deadline on execution (deadline_us) where deadline_us > 0 and finished_at_us is null;
