-- What guests say: see `runtime.lines`. Whoever deletes an execution deletes its rows here too.

create table guest_line (
    execution integer not null,           -- execution.number
    number integer not null,              -- within the execution, from 0, never given twice
    at_us integer not null,
    run text not null,
    source integer not null,              -- 0 obelisk:log, 1 stdout, 2 stderr
    level integer not null,               -- 0 trace, 1 debug, 2 info, 3 warn, 4 error
    text text not null,
    primary key (execution, number)
) strict, without rowid;

-- One row per execution that has said anything.
create table guest_output (
    execution integer primary key,        -- execution.number
    next integer not null,                -- the number of the next line
    bytes integer not null,               -- of what is kept, as `Line.size` counts
    dropped integer not null,             -- lines that are not kept
    place integer not null                -- the last place of a workflow's lines, -1 when there is none
) strict;
