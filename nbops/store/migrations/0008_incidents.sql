-- By which policy models are monitored, what was seen in each window, and the incidents that came of it, of models and of pipelines.
create table core.monitor_policies (
    model varchar not null,
    policy varchar not null,
    why varchar,
    time timestamp not null,
    actor varchar not null,
    seq bigint not null
);

-- What was seen in a window of a version is one batch; the last one counts.
create table core.signals (
    subject varchar not null,
    version integer,
    cause varchar not null,
    kind varchar not null,
    item varchar not null,
    state varchar not null,
    severity varchar not null,
    sentence varchar not null,
    window_start timestamp not null,
    window_end timestamp not null,
    batch bigint not null,
    time timestamp not null,
    actor varchar not null,
    seq bigint not null
);

create table core.incidents (
    incident_id uuid primary key,
    subject varchar not null,
    cause varchar not null,
    kind varchar not null,
    version integer,
    created timestamp not null,
    actor varchar not null,
    seq bigint not null
);

create table core.incident_acts (
    incident_id uuid not null,
    act varchar not null check (
        act in ('opened', 'seen', 'raised', 'lowered', 'acknowledged', 'commented', 'muted', 'unmuted', 'closed', 'healed')
    ),
    severity varchar not null,
    text varchar not null,
    window_start timestamp,
    until timestamp,
    told varchar,
    time timestamp not null,
    actor varchar not null,
    seq bigint not null
);

create view main.monitor_policies as
select
    model, row_number() over (partition by model order by seq) as version, policy, why, time, actor,
    lead(time) over (partition by model order by seq) as until
from core.monitor_policies;

create view main.signals as
select subject, version, cause, kind, item, state, severity, sentence, window_start, window_end, time, actor
from core.signals
qualify batch = max(batch) over (partition by subject, version, window_start);

create view main.incident_acts as
select a.incident_id, i.subject, i.cause, a.act, a.severity, a.text, a.window_start, a.until, a.told, a.time, a.actor
from core.incident_acts a
join core.incidents i on i.incident_id = a.incident_id;

create view main.incidents as
select
    i.incident_id, i.subject, case when starts_with(i.subject, 'model:') then i.subject[7:] end as model, i.cause, i.kind, i.version,
    case when a.ended is null then 'open' else a.ended end as status, a.severity, a.text, a.since, a.last_window, a.windows,
    i.created as opened, a.acknowledged_by, a.muted_until, a.changed,
    case when a.ended is not null then a.ended_at end as closed, case when a.ended is not null then a.ended_by end as closed_by
from core.incidents i
join (
    select
        incident_id, arg_max(severity, seq) as severity,
        arg_max(text, seq) filter (where act in ('opened', 'seen', 'raised', 'lowered')) as text,
        min(window_start) filter (where act in ('opened', 'seen')) as since,
        max(window_start) filter (where act in ('opened', 'seen')) as last_window,
        count(distinct window_start) filter (where act in ('opened', 'seen')) as windows,
        arg_max(actor, seq) filter (where act = 'acknowledged') as acknowledged_by,
        arg_max_null(until, seq) filter (where act in ('muted', 'unmuted')) as muted_until,
        max(time) as changed,
        max(act) filter (where act in ('closed', 'healed')) as ended,
        max(time) filter (where act in ('closed', 'healed')) as ended_at,
        arg_max(actor, seq) filter (where act in ('closed', 'healed')) as ended_by
    from core.incident_acts
    group by incident_id
) a on a.incident_id = i.incident_id;
