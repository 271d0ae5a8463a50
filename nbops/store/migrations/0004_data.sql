-- Where data comes from, what was found in it, which rows are set aside, and every version of it that was taken.
create table core.sources (
    name varchar not null, address varchar not null, every double, owner varchar, licence varchar, purpose varchar, declaration varchar not null,
    in_file boolean not null, time timestamp not null, actor varchar not null, seq bigint not null
);

create table core.collections (
    collection_id uuid primary key,
    source varchar not null,
    how varchar not null check (how in ('collected', 'repaired')),
    status varchar not null check (status in ('taken', 'unchanged', 'refused', 'failed')),
    started timestamp not null,
    ended timestamp not null,
    rows bigint not null,
    good bigint not null,
    quarantined bigint not null,
    dropped bigint not null,
    -- False where the source had not changed, so that nobody looked at its rows.
    scanned boolean not null,
    version integer,
    contract varchar,
    origin varchar,
    message varchar,
    why varchar,
    run_id uuid,
    actor varchar not null,
    seq bigint not null,
    check (rows = good + quarantined + dropped)
);

create table core.contract_results (
    collection_id uuid not null, rule varchar not null, severity varchar not null, outcome varchar not null, broken bigint not null,
    detail varchar not null, seq bigint not null
);

create table core.contracts (digest varchar not null, name varchar not null, contract varchar not null, seq bigint not null);

-- A batch is what one collection set aside; `whole` is a source that is read as a whole each time, whose next batch takes its place.
create table core.quarantine (
    batch_id uuid primary key, source varchar not null, sha256 varchar not null, rows bigint not null, whole boolean not null, seq bigint not null
);

create table core.quarantine_reasons (batch_id uuid not null, reason varchar not null, rows bigint not null, seq bigint not null);

-- A row that is dealt with is known by the hash of what it was, and stays so when its source brings it again.
create table core.settled_rows (
    source varchar not null, hash varchar not null, batch_id uuid not null, rows bigint not null,
    act varchar not null check (act in ('readmitted', 'discarded')), sha256 varchar, version integer, why varchar not null,
    time timestamp not null, actor varchar not null, seq bigint not null,
    primary key (source, hash)
);

create table core.snapshots (
    source varchar not null,
    version integer not null,
    content_hash varchar not null,
    rows bigint not null,
    bytes bigint not null,
    columns varchar not null,
    parts varchar not null,
    profile varchar,
    parent integer,
    watermark varchar,
    collection_id uuid not null,
    run_id uuid,
    created timestamp not null,
    actor varchar not null,
    removed boolean not null,
    seq bigint not null,
    primary key (source, version)
);

create table core.snapshot_inputs (source varchar not null, version integer not null, input varchar not null, input_version integer not null, seq bigint not null);

create view main.sources as
select
    name, arg_max(address, seq) as address, arg_max_null(every, seq) as every, arg_max_null(owner, seq) as owner,
    arg_max_null(licence, seq) as licence, arg_max_null(purpose, seq) as purpose, arg_max(declaration, seq) as declaration,
    arg_max(in_file, seq) as in_file, max(time) as declared
from core.sources
group by name;

create view main.collections as
select * from core.collections;

create view main.contract_results as
select r.collection_id, c.source, r.rule, r.severity, r.outcome, r.broken, r.detail, c.ended as time
from core.contract_results r
join core.collections c on c.collection_id = r.collection_id;

create view main.contracts as
select digest, any_value(name) as name, any_value(contract) as contract from core.contracts group by digest;

create view main.quarantine as
with settled as (
    select batch_id, sum(rows) filter (where act = 'readmitted') as readmitted, sum(rows) filter (where act = 'discarded') as discarded
    from core.settled_rows
    group by batch_id
)
select
    q.batch_id, q.source, c.ended as time, c.run_id, q.rows, coalesce(s.readmitted, 0) as readmitted, coalesce(s.discarded, 0) as discarded,
    case
        when c.status = 'refused' then 0
        when q.whole and q.seq < max(q.seq) filter (where c.status <> 'refused') over (partition by q.source) then 0
        when q.whole and q.seq < l.seq and not l.again then 0
        else q.rows - coalesce(s.readmitted, 0) - coalesce(s.discarded, 0)
    end as open,
    q.sha256
from core.quarantine q
join core.collections c on c.collection_id = q.batch_id
left join settled s on s.batch_id = q.batch_id
left join (
    select source, max(seq) as seq, arg_max(quarantined > 0, seq) as again
    from core.collections
    where how = 'collected' and status in ('taken', 'unchanged') and scanned
    group by source
) l on l.source = q.source;

create view main.quarantine_reasons as
select r.batch_id, q.source, c.ended as time, r.reason, r.rows
from core.quarantine_reasons r
join core.quarantine q on q.batch_id = r.batch_id
join core.collections c on c.collection_id = r.batch_id;

create view main.settled_rows as
select source, hash, batch_id, rows, act, version, sha256, why, time, actor from core.settled_rows;

create view main.snapshots as
select source, version, content_hash, rows, bytes, columns, parts, profile, parent, watermark, collection_id, run_id, created, actor, removed
from core.snapshots;

create view main.snapshot_inputs as
select source, version, input, input_version from core.snapshot_inputs;

-- Runs that read a version of data, and the versions of models that came out of them.
create view main.snapshot_uses as
select s.source, s.version, i.run_id, i.name, m.model, m.version as model_version
from core.snapshots s
join (select distinct run_id, digest, name from core.inputs) i on i.digest = s.content_hash
left join core.model_versions m on m.run_id = i.run_id;

-- `expected` is the declared interval in seconds, or thrice the usual one where nobody declared any and it changed often enough to tell.
create view main.freshness as
with tried as (
    select
        source, max(ended) as last_tried, arg_max(status, seq) as last_status, arg_max_null(message, seq) as last_message,
        max(ended) filter (where status in ('taken', 'unchanged')) as last_checked
    from core.collections
    where how = 'collected'
    group by source
), gaps as (
    select s.source, s.version, s.created, s.rows, s.watermark,
        epoch(s.created) - epoch(lag(s.created) over (partition by s.source order by s.version)) as gap
    from core.snapshots s
    join core.collections c on c.collection_id = s.collection_id and c.how = 'collected'
), changed as (
    select source, max(created) as last_change, arg_max(version, version) as version, arg_max(rows, version) as rows,
        arg_max(watermark, version) as data_until, case when count(gap) >= 3 then median(gap) end as usual
    from gaps
    group by source
), known as (
    select
        coalesce(d.name, t.source) as source, d.owner, d.every, c.usual, coalesce(d.every, 3 * c.usual) as expected, t.last_tried,
        t.last_status, t.last_message, t.last_checked, c.last_change, c.version, c.rows, c.data_until,
        epoch(make_timestamp(epoch_us(now()))) as now
    from main.sources d
    full join tried t on t.source = d.name
    left join changed c on c.source = coalesce(d.name, t.source)
)
select
    source,
    case
        when last_tried is null then 'never'
        when last_status in ('failed', 'refused') then 'failing'
        when expected is null then 'unknown'
        when now - epoch(last_checked) > expected then 'unchecked'
        when now - epoch(last_change) > expected then 'late'
        else 'fresh'
    end as state,
    every, usual, last_checked, last_change, data_until, version, rows, last_status, last_message, owner
from known;
