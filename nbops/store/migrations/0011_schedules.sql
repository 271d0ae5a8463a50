-- What runs when, what was done about that, and each nominal time with all its attempts. An act without a schedule is about all of them.
create table core.schedules (
    schedule_id uuid primary key,
    name varchar not null,
    created timestamp not null,
    actor varchar not null,
    seq bigint not null
);

create table core.schedule_acts (
    schedule_id uuid,
    act varchar not null check (act in ('added', 'changed', 'paused', 'resumed', 'removed')),
    spec varchar,
    until timestamp,
    why varchar,
    time timestamp not null,
    actor varchar not null,
    seq bigint not null
);

-- How far a schedule was looked at, and its next nominal time: one row for each that is not removed.
create table core.schedule_marks (
    schedule_id uuid not null,
    looked timestamp not null,
    next timestamp,
    seq bigint not null
);

create table core.fires (
    schedule_id uuid not null,
    nominal timestamp not null,
    due timestamp not null,
    cause varchar not null check (cause in ('schedule', 'backfill')),
    time timestamp not null,
    actor varchar not null,
    seq bigint not null
);

create table core.fire_acts (
    schedule_id uuid not null,
    nominal timestamp not null,
    act varchar not null check (act in ('due', 'running', 'done', 'failed', 'stopped', 'interrupted', 'missed', 'skipped')),
    attempt_id uuid,
    run_id uuid,
    outcome varchar,
    exit_status integer,
    host varchar,
    message varchar,
    time timestamp not null,
    actor varchar not null,
    seq bigint not null
);

-- The fires that are not over, so that nobody reads all others to find them.
create table core.open_fires (
    schedule_id uuid not null,
    nominal timestamp not null,
    due timestamp not null,
    patient boolean not null,
    cause varchar not null,
    state varchar not null,
    attempt_id uuid,
    host varchar,
    tries integer not null,
    seq bigint not null
);

-- The last time that a scheduler of this store looked: one row.
create table core.scheduler (
    host varchar not null,
    pid bigint not null,
    kind varchar not null,
    python varchar not null,
    project varchar not null,
    since timestamp not null,
    time timestamp not null
);

create view main.schedule_acts as
select a.schedule_id, s.name as schedule, a.act, a.spec, a.until, a.why, a.time, a.actor
from core.schedule_acts a
left join core.schedules s on s.schedule_id = a.schedule_id;

create view main.schedules as
with last as (
    select
        schedule_id, arg_max(spec, seq) filter (where spec is not null) as spec, max(time) filter (where spec is not null) as changed,
        arg_max(actor, seq) filter (where spec is not null) as actor, arg_max_null(until, seq) filter (where act in ('paused', 'resumed')) as until,
        max(time) filter (where act = 'removed') as removed
    from core.schedule_acts
    where schedule_id is not null
    group by schedule_id
), everything as (
    select arg_max_null(until, seq) as until from core.schedule_acts where schedule_id is null
)
select
    s.schedule_id, s.name, l.spec->>'$.target' as target, coalesce(l.spec->>'$.cron', '') as cron, coalesce(l.spec->>'$.every', '') as every,
    coalesce(l.spec->>'$.tz', 'UTC') as tz, l.spec, m.next, m.looked, greatest(l.until, e.until) as paused_until, l.removed,
    s.created, l.changed, l.actor
from core.schedules s
join last l on l.schedule_id = s.schedule_id
cross join everything e
left join core.schedule_marks m on m.schedule_id = s.schedule_id;

create view main.fire_attempts as
select
    a.schedule_id, s.name as schedule, a.nominal, a.attempt_id, a.host, coalesce(e.act, 'running') as state, e.run_id, e.outcome,
    e.exit_status, e.message, a.time as started, e.time as ended, a.actor
from core.fire_acts a
join core.schedules s on s.schedule_id = a.schedule_id
left join core.fire_acts e
    on e.attempt_id = a.attempt_id and e.act in ('done', 'failed', 'stopped', 'interrupted')
where a.act = 'running';

create view main.fires as
select
    f.schedule_id, s.name as schedule, f.nominal, f.due, f.cause, a.state, a.attempts, a.interrupted, a.run_id, a.outcome, a.exit_status,
    a.message, a.started, case when a.state not in ('due', 'running', 'interrupted') then a.changed end as ended, a.changed
from core.fires f
join core.schedules s on s.schedule_id = f.schedule_id
join (
    select
        schedule_id, nominal, arg_max(act, seq) as state, count(*) filter (where act = 'running') as attempts,
        count(*) filter (where act = 'interrupted') as interrupted, arg_max_null(run_id, seq) as run_id, arg_max_null(outcome, seq) as outcome,
        arg_max_null(exit_status, seq) as exit_status, arg_max_null(message, seq) as message,
        max(time) filter (where act = 'running') as started, max(time) as changed
    from core.fire_acts
    group by schedule_id, nominal
) a on a.schedule_id = f.schedule_id and a.nominal = f.nominal;

create view main.scheduler as
select host, pid, kind, python, project, since, time from core.scheduler;
