-- Claims take what is pending from several lanes in turn, so that one family of executions does not keep others waiting.

-- The lane that the execution got when it was created: 0 as a rule, higher ones for those of large families.
alter table execution add column lane integer not null default 0;
drop index execution_pending;
create index execution_pending on execution (status, ffqn, lane, pending_at_us) where status = 1;  -- claims, counts
