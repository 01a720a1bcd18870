-- What executors may run, and how much of it at once.

-- Which components an executor may run: a JSON array.
alter table lease add column labels text not null default '[]';

-- The component under whose limit on concurrency the execution was claimed last. It counts while the row is locked: the
-- index holds no others, so that nothing has to be kept in step with it when a lock is let go.
alter table execution add column limited text;
create index execution_limited on execution (limited) where limited is not null and status = 2;
