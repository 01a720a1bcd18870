-- What callers gave to their executions, to find them again: an index of what the first events of their logs say. An
-- execution without tags, as every child is, has no row here.

create table tag (
    text text not null,                   -- key=value
    execution integer not null,           -- execution.number
    primary key (text, execution)         -- listings, by number
) strict, without rowid;

create index tag_execution on tag (execution);
