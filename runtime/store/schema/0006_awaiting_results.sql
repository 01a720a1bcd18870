-- Executions of stubs wait for a result from outside and for no executor: status 7. Those that were created before this
-- stay pending (1) in their rows as in their logs. Counts, listings and evictions find the others by their functions.
create index execution_awaiting on execution (status, ffqn) where status = 7;
