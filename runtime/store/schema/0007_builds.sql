-- Several builds of one component at work side by side.

-- The build that an execution began with, or was upgraded to: that of its last lock, as long as it has not diverged from
-- what another one recorded. Claims of components whose old builds finish their work go by it.
alter table execution add column build text;
update execution set build = (
    select json_extract(cast(log.body as text), '$.digest') from log
    where log.execution = execution.number and log.kind in (2, 9) order by log.version desc limit 1)
where status between 1 and 5;
