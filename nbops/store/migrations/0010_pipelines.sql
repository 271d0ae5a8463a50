-- Runs of pipelines, what became of each of their steps, who is at a step right now, and what people decided on.
create table core.pipeline_runs (
    run_id uuid primary key,
    pipeline varchar not null,
    folder varchar not null,
    trigger varchar not null,
    nominal timestamp,
    release integer,
    definition varchar not null,
    seq bigint not null
);

create table core.pipeline_ends (
    run_id uuid not null,
    outcome varchar not null,
    sentence varchar not null,
    time timestamp not null,
    seq bigint not null
);

-- What happened to a task, which is a step at a point of its sweep; the last act says how it stands.
create table core.step_acts (
    run_id uuid not null,
    task varchar not null,
    step varchar not null,
    act varchar not null check (
        act in (
            'started', 'retrying', 'finished', 'unchanged', 'degraded', 'excluded', 'blocked', 'failed', 'stopped', 'parked', 'approved'
        )
    ),
    attempt integer not null,
    step_run_id uuid,
    failure_class varchar,
    sentence varchar not null,
    healed boolean not null,
    stale_since timestamp,
    seconds double,
    time timestamp not null,
    seq bigint not null
);

-- Each is at one step that has this key; it is free again when the run has ended, whatever ended it.
create table core.claims (key varchar not null, run_id uuid not null, time timestamp not null);

create table core.step_requests (
    run_id uuid not null,
    task varchar not null,
    asks varchar not null,
    approvers varchar[] not null,
    expires timestamp not null,
    time timestamp not null,
    actor varchar not null,
    seq bigint not null
);

create table core.step_decisions (
    run_id uuid not null,
    task varchar not null,
    decision varchar not null check (decision in ('approve', 'reject')),
    reason varchar not null,
    time timestamp not null,
    actor varchar not null,
    seq bigint not null
);

-- A release is what a pipeline was at a time, file by file; its schedule runs the one that became current last.
create table core.releases (
    release_id uuid primary key,
    pipeline varchar not null,
    number integer not null,
    folder varchar not null,
    digest varchar not null,
    files varchar not null,
    environment varchar,
    commit_hash varchar,
    dirty boolean,
    why varchar not null,
    created timestamp not null,
    actor varchar not null,
    seq bigint not null
);

create table core.release_acts (
    pipeline varchar not null,
    number integer not null,
    act varchar not null check (act in ('released', 'rolled back')),
    why varchar not null,
    time timestamp not null,
    actor varchar not null,
    seq bigint not null
);

create view main.releases as
select
    r.pipeline, r.number, a.number is not null as current, r.folder, r.digest, json_array_length(r.files)::integer as files,
    r.environment, r.commit_hash as "commit", r.dirty, r.why, r.created, r.actor
from core.releases r
left join (
    select pipeline, arg_max(number, seq) as number from core.release_acts group by pipeline
) a on a.pipeline = r.pipeline and a.number = r.number;

create view main.release_acts as
select pipeline, number, act, why, time, actor from core.release_acts;

create view main.pipeline_runs as
select
    p.run_id, p.pipeline, p.folder, p.trigger, p.nominal, p.release, r.status,
    case
        when r.status = 'running' then 'running'
        when r.status = 'lost' then 'lost'
        else coalesce(e.outcome, r.status)
    end as outcome,
    case when r.status = 'running' then null else coalesce(e.sentence, r.cause) end as sentence, r.started as start_time,
    r.ended as end_time, r.exit_status, r.actor, r.host
from core.pipeline_runs p
join core.runs r on r.run_id = p.run_id
left join (
    select run_id, arg_max(outcome, seq) as outcome, arg_max(sentence, seq) as sentence from core.pipeline_ends group by run_id
) e on e.run_id = p.run_id
where not r.deleted;

create view main.step_runs as
select
    s.run_id, p.pipeline, s.step, s.task, s.act as status, s.attempt, s.step_run_id, s.failure_class, s.sentence, s.healed,
    s.stale_since, s.seconds, s.time
from core.step_acts s
join core.pipeline_runs p on p.run_id = s.run_id
qualify row_number() over (partition by s.run_id, s.task order by s.seq desc) = 1;

create view main.step_acts as
select run_id, task, step, act, attempt, step_run_id, failure_class, sentence, healed, stale_since, seconds, time from core.step_acts;

-- What was asked of people, and what they said.
create view main.step_approvals as
select
    q.run_id, p.pipeline, q.task, q.asks, q.approvers, q.actor as requested_by, q.time as requested, q.expires,
    case when d.decision = 'approve' then 'approved' when d.decision = 'reject' then 'rejected' else 'open' end as status,
    d.actor as decided_by, d.reason, d.time as decided
from core.step_requests q
join core.pipeline_runs p on p.run_id = q.run_id
left join core.step_decisions d on d.run_id = q.run_id and d.task = q.task and d.seq > q.seq
qualify row_number() over (partition by q.run_id, q.task order by q.seq desc, d.seq) = 1;

-- What was healed in which week, step and class, what it cost, and what of it was in vain.
create view main.pipeline_heals as
select
    p.pipeline, a.step, a.failure_class, a.rule, date_trunc('week', a.time)::date as week,
    count(distinct a.run_id) filter (where a.outcome = 'healed') as runs_healed,
    count(*) filter (where a.outcome = 'healed') as healed, count(*) filter (where a.outcome = 'failed') as failed,
    sum(a.cost_seconds) as cost_seconds, max(a.time) as last_time
from main.corrective_actions a
join core.pipeline_runs p on p.run_id = a.run_id
where a.step is not null
group by all;

-- The same healing in three of the last seven runs is no accident any more. To go on with old data is no healing of the step itself.
create view main.pipeline_chronic as
with last as (
    select p.run_id, p.pipeline, row_number() over (partition by p.pipeline order by r.started desc) as age
    from core.pipeline_runs p
    join core.runs r on r.run_id = p.run_id
    where not r.deleted and r.status <> 'running' and p.trigger <> 'drill'
    qualify age <= 7
), counts as (
    select pipeline, count(*) as runs from last group by pipeline
)
select
    l.pipeline, a.step, a.failure_class, c.runs, count(distinct a.run_id) as healed_runs, sum(a.cost_seconds) as cost_seconds,
    max(a.time) as last_time, arg_max(a.signal, a.time) as signal
from last l
join counts c on c.pipeline = l.pipeline
join main.corrective_actions a on a.run_id = l.run_id and a.outcome = 'healed' and a.step is not null and not starts_with(a.action, 'gone on with ')
group by l.pipeline, a.step, a.failure_class, c.runs
having healed_runs >= 3;
