-- Times are UTC. `seq` is the writer's sequence: one number that orders every row of the store.
create schema core;

create table core.meta (key varchar primary key, value varchar not null);

create table core.ledger (tx uuid not null, seq bigint not null, time timestamp not null, result blob);

create table core.folds (segment varchar primary key, position bigint not null);

create table core.events (
    seq bigint not null,
    time timestamp not null,
    actor varchar not null,
    verb varchar not null,
    subject varchar not null,
    detail varchar not null,
    previous_hash varchar not null,
    hash varchar not null
);

create table core.experiments (
    experiment_id uuid primary key,
    name varchar not null,
    created timestamp not null,
    seq bigint not null
);

create table core.runs (
    run_id uuid primary key,
    experiment_id uuid not null,
    parent_id uuid,
    name varchar not null,
    status varchar not null check (status in ('running', 'finished', 'failed', 'stopped', 'lost')),
    cause varchar,
    started timestamp not null,
    ended timestamp,
    actor varchar not null,
    host varchar not null,
    pid bigint not null,
    source varchar,
    cell varchar,
    commit_hash varchar,
    dirty boolean,
    environment varchar,
    deleted boolean not null,
    seq bigint not null
);

create table core.params (
    run_id uuid not null,
    key varchar not null,
    value varchar not null,
    kind varchar not null,
    time timestamp not null,
    seq bigint not null
);

create table core.metrics (
    run_id uuid not null,
    key varchar not null,
    value double not null,
    step bigint,
    time timestamp not null,
    seq bigint not null
);

create table core.tags (run_id uuid not null, key varchar not null, value varchar not null, time timestamp not null, seq bigint not null);

create table core.artifacts (
    run_id uuid not null,
    path varchar not null,
    sha256 varchar not null,
    size bigint not null,
    kind varchar not null,
    media_type varchar not null,
    time timestamp not null,
    seq bigint not null
);

create table core.datasets (
    digest varchar not null,
    name varchar not null,
    source varchar not null,
    rows bigint,
    columns varchar not null,
    seq bigint not null
);

create table core.inputs (run_id uuid not null, digest varchar not null, name varchar not null, seq bigint not null);

create table core.metric_definitions (
    key varchar not null,
    better varchar not null check (better in ('higher', 'lower')),
    unit varchar,
    description varchar,
    seq bigint not null
);

create table core.models (name varchar primary key, created timestamp not null, actor varchar not null, seq bigint not null);

create table core.model_versions (
    model varchar not null,
    version integer not null,
    run_id uuid not null,
    artifact varchar not null,
    manifest varchar not null,
    sha256 varchar not null,
    state varchar not null check (state in ('registered', 'retired')),
    created timestamp not null,
    actor varchar not null,
    description varchar,
    seq bigint not null,
    primary key (model, version)
);

create view main.experiments as
select experiment_id, name, created from core.experiments;

create view main.runs as
select
    r.run_id, e.name as experiment, r.name, r.status, r.cause, r.started as start_time, r.ended as end_time,
    r.parent_id as parent_run_id, r.actor, r.host, r.pid, r.source, r.cell, r.commit_hash as "commit", r.dirty, r.environment,
    r.deleted
from core.runs r
join core.experiments e on e.experiment_id = r.experiment_id;

create view main.params as
select run_id, key, arg_max(value, seq) as value, arg_max(kind, seq) as kind, count(*) - 1 as revisions
from core.params
group by run_id, key;

create view main.metrics as
select run_id, key, value, step, time, seq from core.metrics;

create view main.latest_metrics as
select run_id, key, arg_max(value, seq) as value, arg_max_null(step, seq) as step, count(*) as points
from core.metrics
group by run_id, key;

create view main.tags as
select run_id, key, arg_max(value, seq) as value
from core.tags
group by run_id, key;

create view main.artifacts as
select
    run_id, path, arg_max(sha256, seq) as sha256, arg_max(size, seq) as size, arg_max(kind, seq) as kind,
    arg_max(media_type, seq) as media_type, max(time) as time
from core.artifacts
group by run_id, path;

create view main.datasets as
select digest, arg_max(name, seq) as name, arg_max(source, seq) as source, arg_max(rows, seq) as rows, arg_max(columns, seq) as columns
from core.datasets
group by digest;

create view main.run_inputs as
select i.run_id, i.name, i.digest, d.source, d.rows
from (select run_id, name, arg_max(digest, seq) as digest from core.inputs group by run_id, name) i
left join main.datasets d on d.digest = i.digest;

create view main.metric_definitions as
select key, arg_max(better, seq) as better, arg_max_null(unit, seq) as unit, arg_max_null(description, seq) as description
from core.metric_definitions
group by key;

create view main.models as
select m.name, m.created, m.actor, max(v.version) as latest_version
from core.models m
left join core.model_versions v on v.model = m.name
group by m.name, m.created, m.actor;

create view main.model_versions as
select model, version, run_id, state, artifact, sha256, manifest, description, created, actor from core.model_versions;

create view main.events as
select seq, time, actor, verb, subject, detail, previous_hash, hash from core.events;
