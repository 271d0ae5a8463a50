-- Why runs failed, what they used, and what was done about failures. Memory in bytes.
alter table core.runs add column failure_class varchar;
alter table core.runs add column exit_status smallint;
alter table core.runs add column peak_memory bigint;
alter table core.runs add column cpu_seconds double;

create table core.corrective_actions (
    action_id uuid not null,
    run_id uuid,
    step varchar,
    attempt integer not null,
    failure_class varchar not null,
    rule varchar not null,
    signal varchar not null,
    action varchar not null,
    outcome varchar not null check (outcome in ('healed', 'failed', 'skipped', 'pending')),
    cost_seconds double,
    actor varchar not null,
    time timestamp not null,
    seq bigint not null
);

create or replace view main.runs as
select
    r.run_id, e.name as experiment, r.name, r.status, r.cause, r.started as start_time, r.ended as end_time,
    r.parent_id as parent_run_id, r.actor, r.host, r.pid, r.source, r.cell, r.commit_hash as "commit", r.dirty, r.environment,
    r.deleted, r.failure_class, r.exit_status, r.peak_memory, r.cpu_seconds
from core.runs r
join core.experiments e on e.experiment_id = r.experiment_id;

-- An action that was pending is recorded again when its outcome is known.
create view main.corrective_actions as
select * exclude (seq)
from core.corrective_actions
qualify row_number() over (partition by action_id order by seq desc) = 1;

-- What a run opened in its own experiment is a part of it, and no run to be counted beside it.
create view main.healing_patterns as
with runs as (
    select r.run_id, r.experiment_id, row_number() over (partition by r.experiment_id order by r.seq desc) as age
    from core.runs r
    left join core.runs p on p.run_id = r.parent_id and p.experiment_id = r.experiment_id
    where p.run_id is null and not r.deleted
    qualify age <= 7
), counts as (
    select experiment_id, count(*) as runs from runs group by experiment_id
)
select
    e.name as experiment, a.step, a.failure_class, c.runs,
    count(distinct a.run_id) filter (where a.outcome = 'healed') as healed, count(*) as actions,
    sum(a.cost_seconds) as cost_seconds, max(a.time) as last_time, healed >= 3 as chronic
from runs r
join main.corrective_actions a on a.run_id = r.run_id
join core.experiments e on e.experiment_id = r.experiment_id
join counts c on c.experiment_id = r.experiment_id
group by e.name, a.step, a.failure_class, c.runs;
