-- Evaluations, what versions come of, lineage, and who is told of what.
-- How a run's model did on rows with known truth: the rows as Parquet, and the report as MessagePack, each under its hash.
create table core.evaluations (
    evaluation_id uuid primary key,
    run_id uuid not null,
    sha256 varchar not null,
    target varchar not null,
    task varchar not null,
    metric varchar not null,
    unit varchar not null,
    rows bigint not null,
    blocks bigint,
    data_name varchar not null,
    data_digest varchar not null,
    rows_sha256 varchar not null,
    report_sha256 varchar not null,
    time timestamp not null,
    actor varchar not null,
    seq bigint not null
);

create table core.evaluation_metrics (
    evaluation_id uuid not null,
    metric varchar not null,
    value double,
    low double,
    high double,
    unit varchar not null
);

create or replace view main.reviews as
select
    r.review_id, r.model, r.version, r.alias, r.reason, r.created, r.actor as requested_by, r.expires,
    case when last.moved then last.until end as approved_until,
    case
        when last.moved then 'approved'
        when last.act = 'reject' then 'rejected'
        when last.act = 'send back' then 'sent back'
        when last.act = 'withdraw' then 'withdrawn'
        when r.expires <= make_timestamp(epoch_us(now())) then 'expired'
        else 'open'
    end as status,
    last.time as changed, last.actor as changed_by
from core.reviews r
join (
    select
        a.review_id, a.act, a.time, a.actor, a.until,
        exists (select 1 from core.alias_moves m where m.review_id = a.review_id and m.kind = 'promoted') as moved
    from core.review_acts a
    where a.outcome = 'done'
    qualify row_number() over (partition by a.review_id order by a.seq desc) = 1
) last on last.review_id = r.review_id;

create view main.evaluations as
select
    e.evaluation_id, v.model, v.version, e.run_id, e.sha256, e.target, e.task, e.metric, e.unit, e.rows, e.blocks, e.data_name,
    e.data_digest, e.rows_sha256, e.report_sha256, e.time, e.actor
from core.evaluations e
left join core.model_versions v on v.run_id = e.run_id and v.sha256 = e.sha256;

create view main.evaluation_metrics as
select evaluation_id, metric, value, low, high, unit from core.evaluation_metrics;

-- Every name under which data is known, by the digest of its content; what a notebook declares is in its key, a list where it names several files.
-- What a run logged under the name of a parameter is that parameter's data: it is not told twice.
create view main.data_names as
with declared as (
    select run_id, unnest(map_entries(
        try_cast(json_extract(parts, '$.parts.inputs') as map(varchar, struct(path varchar, digest varchar)))
    )) as item
    from core.run_keys
), found as (
    select content_hash as digest, source as name, version, null::varchar as path, null::uuid as run_id, 'version' as role
    from core.snapshots
    union all
    select digest, name, null, null, run_id, 'input' from core.inputs
    union all
    select unnest(string_split(d.item.value.digest, ' ')), d.item.key, null, d.item.value.path, d.run_id, 'input'
    from declared d
    where not exists (select 1 from core.inputs i where i.run_id = d.run_id and i.name = d.item.key)
    union all
    select unnest(string_split(digest, ' ')), name, null, path, run_id, 'output' from core.outputs
    union all
    select content_hash, source, version, null, run_id, 'output' from core.snapshots where run_id is not null
)
select distinct digest, name, version, path, run_id, role from found where digest is not null and digest <> 'missing';

create view main.lineage as
select 'data' as from_kind, digest as from_id, 'run' as to_kind, run_id::varchar as to_id, name as label
from main.data_names
where role = 'input'
union all
select 'run', run_id::varchar, 'data', digest, name from main.data_names where role = 'output'
union all
select 'data', b.content_hash, 'data', a.content_hash, i.input
from core.snapshot_inputs i
join core.snapshots a on a.source = i.source and a.version = i.version
join core.snapshots b on b.source = i.input and b.version = i.input_version
union all
select 'run', parent_id::varchar, 'run', run_id::varchar, 'child' from core.runs where parent_id is not null
union all
select 'run', run_id::varchar, 'version', model || '/' || version, artifact from core.model_versions
union all
select 'version', model || '/' || version, 'alias', model || '@' || alias, kind from main.aliases;

-- The data that a version's run had read when it was registered.
create table core.version_inputs (
    model varchar not null,
    version integer not null,
    name varchar not null,
    digest varchar not null,
    source varchar,
    rows bigint,
    seq bigint not null
);

create view main.version_inputs as
select model, version, name, digest, source, rows from core.version_inputs;

create or replace view main.model_versions as
select
    v.model, v.version, v.run_id, v.state, v.artifact, v.sha256, v.manifest, v.description, v.created, v.actor, r.status as run_status
from core.model_versions v
left join core.runs r on r.run_id = v.run_id;

-- A manifest that was damaged tells nothing, and keeps nobody from reading the others.
create view main.version_facts as
with told as (
    select model, version, case when json_valid(manifest) then manifest::json end as manifest from core.model_versions
)
select
    model, version, manifest->>'$.estimator' as estimator, manifest->>'$.versions.python' as python,
    manifest->>'$.versions.scikit-learn' as scikit_learn, manifest->>'$.origin.platform' as platform,
    manifest->>'$.origin.libraries' as libraries, manifest->>'$.origin.environment' as environment,
    manifest->>'$.origin.commit' as "commit", try_cast(manifest->>'$.origin.dirty' as boolean) as dirty,
    manifest->>'$.origin.source' as source, manifest->>'$.origin.source_sha256' as source_sha256,
    manifest->>'$.origin.reference' as reference, manifest->>'$.origin.profile' as profile, manifest->>'$.origin.example' as example
from told;

create view main.version_code as
with told as (
    select model, version, case when json_valid(manifest) then manifest::json end as manifest from core.model_versions
), files as (
    select model, version, unnest(json_extract(manifest, '$.code[*]')) as file from told
)
select model, version, file->>'$.name' as name, file->>'$.sha256' as sha256 from files;

-- Who is to be told of what, and what became of telling them.
create table core.outbox (
    message_id uuid not null,
    kind varchar not null,
    subject varchar not null,
    recipient varchar not null,
    title varchar not null,
    text varchar not null,
    link varchar,
    time timestamp not null,
    actor varchar not null,
    seq bigint not null
);

create table core.deliveries (
    message_id uuid not null,
    state varchar not null check (state in ('claimed', 'delivered', 'failed', 'given up')),
    claim uuid not null,
    reason varchar,
    until timestamp,
    time timestamp not null,
    actor varchar not null,
    seq bigint not null
);

create view main.outbox as
select
    o.message_id, o.kind, o.subject, o.recipient, o.title, o.text, o.link, o.time as created, o.actor,
    coalesce(d.state, 'waiting') as state, coalesce(d.attempts, 0) as attempts, d.reason, d.until, d.time as changed, o.seq
from core.outbox o
left join (
    select
        message_id, state, until, time, last_value(reason ignore nulls) over (partition by message_id order by seq) as reason,
        count(*) filter (where state = 'claimed') over (partition by message_id) as attempts
    from core.deliveries
    qualify row_number() over (partition by message_id order by seq desc) = 1
) d on d.message_id = o.message_id;
