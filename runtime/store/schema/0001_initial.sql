-- Executions, their logs and what the executors share. Instants are integer microseconds since 1970.
--
-- Rows refer to an execution by its number, not by its long textual id: keys stay short, the rows of a new child land
-- next to those of its siblings, and a durable child call writes four pages fewer. A number is given out in the order of
-- creation and never twice: whoever deletes executions must leave the newest row (of `response`, too).

create table execution (
    number integer primary key,
    execution_id text not null unique,
    depth integer not null,               -- 0: top level; a child extends its parent's id by one part
    ffqn text not null,
    key text,                             -- idempotency key
    status integer not null,              -- 1 pending, 2 locked, 3 blocked, 4 paused, 5 cancelling, 6 finished
    pending_at_us integer,                -- set while pending; while paused, when it would be
    executor text,                        -- set while locked, as are run and digest
    run text,
    digest text,
    waits_for text,                       -- the join set that blocks it or that its hot run waits for
    version integer not null,             -- length of the log
    attempts integer not null,
    created_at_us integer not null,
    updated_at_us integer not null,
    finished_at_us integer,
    result_kind text not null             -- ok, err or a failure kind once finished
) strict;

-- All indices are partial: what has finished is in none of them but the last two, so that claims cost the same after
-- 10^6 executions. A child that is created locked and finishes passes through execution_open only.
create index execution_pending on execution (status, ffqn, pending_at_us) where status = 1;  -- claims, counts
create index execution_open on execution (status, executor) where status between 2 and 5;  -- release, listings
create index execution_top_level on execution (depth) where depth = 0;                     -- listings, by number
create unique index execution_key on execution (key) where key is not null;

-- Events and responses lie in the order of their commits, found through small indices: a hundred executions that go on
-- at once write to the same few pages at the end, not to a hundred pages all over the file.
create table log (
    number integer primary key,
    execution integer not null,           -- execution.number
    version integer not null,
    at_us integer not null,
    kind integer not null,
    body blob not null,
    unique (execution, version)
) strict;

create table response (
    number integer primary key,           -- over all executions, in commit order
    execution integer not null,           -- execution.number
    source text not null,                 -- the child or delay, without what it shares with the execution's id
    at_us integer not null,
    kind integer not null,
    body blob not null,
    unique (execution, source)
) strict;

create table delay (
    delay text primary key,
    execution_id text not null,
    join_set text not null,
    expires_at_us integer not null
) strict, without rowid;

create index delay_expiry on delay (expires_at_us);

create table lease (
    executor text primary key,
    expires_at_us integer not null,
    host text not null,
    pid integer not null,
    started text not null
) strict, without rowid;

-- Executors whose lease was dropped: they must not lock anything any more.
create table released (
    executor text primary key,
    at_us integer not null
) strict, without rowid;

create table component (
    name text primary key,
    digest text not null,
    kind text not null,
    settings text not null,
    added_at_us integer not null
) strict, without rowid;

create table component_binary (
    digest text primary key,
    wasm blob not null
) strict;

create table setting (
    name text primary key,
    value integer not null
) strict, without rowid;

insert into setting (name, value) values ('log_format', 1);

-- For people with a SQLite shell.
create view history as
    select execution.execution_id, log.version, log.at_us, log.kind, cast(log.body as text) as body
    from log join execution on execution.number = log.execution;
