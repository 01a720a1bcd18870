-- Which trees may be deleted: those whose roots have finished, by when they did. Children are in no index for it, so that
-- a child call costs the same.
create index execution_ended on execution (finished_at_us) where depth = 0 and finished_at_us is not null;
