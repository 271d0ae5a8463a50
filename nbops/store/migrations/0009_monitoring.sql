-- What a version's data were like, what was found in each window of its predictions, and what was asked of retraining.
-- A profile is of a version's reference, or of a day of its predictions; profiles of one version have the same edges and add up.
create table core.profiles (
    model varchar not null,
    version integer not null,
    kind varchar not null check (kind in ('reference', 'day')),
    start timestamp,
    until timestamp,
    rows bigint not null,
    profile varchar not null,
    variation varchar,
    time timestamp not null,
    actor varchar not null,
    seq bigint not null
);

-- What was found when a window was looked at; looked at again, because rows or labels came, what was found last counts. `place` is that of
-- the last segment of predictions or labels that was known then.
create table core.monitor_windows (
    window_id uuid primary key,
    model varchar not null,
    version integer not null,
    every varchar not null,
    start timestamp not null,
    until timestamp not null,
    rows bigint not null,
    labelled bigint not null,
    baseline varchar not null,
    report_sha256 varchar not null,
    place bigint not null,
    time timestamp not null,
    actor varchar not null,
    seq bigint not null
);

create table core.drift (
    window_id uuid not null, slice varchar, column_name varchar not null, verdict varchar not null, sentence varchar not null,
    effect double, threshold double, no_drift_99 double, natural_99 double, p double, adjusted_p double, null_share double,
    null_share_reference double, unseen_share double, psi double, jensen_shannon double, hellinger double, total_variation double,
    cramers_v double, ks double, ks_low double, ks_high double, wasserstein double, wasserstein_scaled double
);

create table core.performance (
    window_id uuid not null, slice varchar, metric varchar not null, kind varchar not null check (kind in ('realised', 'estimated')),
    value double, low double, high double, unit varchar not null, rows bigint not null, laboratory double, ratio double, ratio_low double,
    ratio_high double, standing varchar, sentence varchar, band double
);

create table core.checks (
    window_id uuid not null, kind varchar not null check (kind in ('contract', 'assumption')), rule varchar not null,
    outcome varchar not null, broken bigint not null, rows bigint not null, sentence varchar not null, author varchar
);

-- How far a version's predictions and labels were looked at: `place` is that of the last segment that was seen.
create table core.monitor_runs (
    model varchar not null, version integer not null, place bigint not null, until timestamp not null, windows integer not null,
    time timestamp not null, actor varchar not null, seq bigint not null
);

create table core.retrain_requests (
    request_id uuid primary key,
    model varchar not null,
    cause varchar not null check (cause in ('incident', 'schedule', 'person')),
    incident_id uuid,
    version integer,
    reason varchar not null,
    data_from timestamp not null,
    data_until timestamp not null,
    time timestamp not null,
    actor varchar not null,
    seq bigint not null
);

create table core.retrain_acts (
    request_id uuid not null,
    act varchar not null check (act in ('blocked', 'started', 'trained', 'waiting', 'proposed', 'refused', 'failed', 'withdrawn')),
    run_id uuid,
    version integer,
    review_id uuid,
    message varchar not null,
    verdict varchar,
    time timestamp not null,
    actor varchar not null,
    seq bigint not null
);

create view main.profiles as
select model, version, kind, start, until, rows, profile, variation, time
from core.profiles
qualify row_number() over (partition by model, version, kind, start, until order by seq desc) = 1;

create view main.profile_columns as
with told as (
    select model, version, kind, start, until, unnest(map_entries(json_extract(profile, '$.columns')::map(varchar, json))) as item
    from main.profiles
)
select
    model, version, kind, start, until, item.key as "column", item.value->>'$.type' as type,
    (item.value->>'$.rows')::bigint as rows, (item.value->>'$.nulls')::bigint as nulls, (item.value->>'$.distinct')::bigint as "distinct",
    (item.value->>'$.numbers.min')::double as min, (item.value->>'$.numbers.max')::double as max,
    (item.value->'$.numbers.edges')::double[] as edges, (item.value->'$.numbers.at')::bigint[] as at_edges,
    (item.value->'$.numbers.between')::bigint[] as between_edges, (item.value->'$.categories.levels')::varchar[] as levels,
    (item.value->'$.categories.counts')::bigint[] as counts, (item.value->>'$.categories.other')::bigint as other
from told;

create view main.monitor_windows as
select window_id, model, version, every, start, until, rows, labelled, baseline, report_sha256, place, time, actor
from core.monitor_windows
qualify row_number() over (partition by model, version, every, start order by seq desc) = 1;

create view main.drift as
select
    w.model, w.version, w.start, w.until, d.slice, d.column_name as "column", d.verdict, d.sentence, d.effect, d.threshold, d.no_drift_99,
    d.natural_99, d.p, d.adjusted_p, d.null_share, d.null_share_reference, d.unseen_share, d.psi, d.jensen_shannon, d.hellinger,
    d.total_variation, d.cramers_v, d.ks, d.ks_low, d.ks_high, d.wasserstein, d.wasserstein_scaled, d.window_id
from main.monitor_windows w
join core.drift d on d.window_id = w.window_id;

create view main.performance as
select
    w.model, w.version, w.start, w.until, p.slice, p.metric, p.kind, p.value, p.low, p.high, p.unit, p.rows, p.laboratory, p.ratio,
    p.ratio_low, p.ratio_high, p.standing, p.sentence, p.band, p.window_id
from main.monitor_windows w
join core.performance p on p.window_id = w.window_id;

create view main.checks as
select w.model, w.version, w.start, w.until, c.kind, c.rule, c.outcome, c.broken, c.rows, c.sentence, c.author, c.window_id
from main.monitor_windows w
join core.checks c on c.window_id = w.window_id;

create view main.monitor_runs as
select model, version, place, until, windows, time, actor from core.monitor_runs;

create view main.retrain_acts as
select request_id, act, run_id, version, review_id, message, verdict, time, actor from core.retrain_acts;

create view main.retrain_requests as
select
    r.request_id, r.model, r.cause, r.incident_id, r.version, r.reason, r.data_from, r.data_until, r.time as created, r.actor,
    coalesce(l.act, 'requested') as state, l.run_id, l.version as challenger, l.review_id, l.message, l.time as changed
from core.retrain_requests r
left join (
    select
        request_id, act, message, time, last_value(run_id ignore nulls) over w as run_id, last_value(version ignore nulls) over w as version,
        last_value(review_id ignore nulls) over w as review_id
    from core.retrain_acts
    window w as (partition by request_id order by seq)
    qualify row_number() over (partition by request_id order by seq desc) = 1
) l on l.request_id = r.request_id;
