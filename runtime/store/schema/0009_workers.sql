-- Workers outside the engine: what their leases say they serve, and the last detail of the heartbeats of an execution's
-- attempts. Whoever deletes an execution deletes its heartbeat too.
alter table lease add column worker text;  -- JSON, null for an executor
create table heartbeat (
    execution integer primary key,        -- execution.number
    run text not null,
    at_us integer not null,
    detail blob not null                  -- JSON
) strict;
