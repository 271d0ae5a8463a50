-- What versions said of rows, and what turned out to be true: rows lie in segments of Parquet under their hash, and here is what is in them.
-- `place` is the order in which segments were written, where the later one wins; one that others were merged into has the last of theirs.
create table core.prediction_segments (
    segment_id uuid primary key,
    model varchar not null,
    version integer not null,
    sha256 varchar not null,
    rows bigint not null,
    bytes bigint not null,
    columns varchar not null,
    first timestamp not null,
    last timestamp not null,
    low varchar not null,
    high varchar not null,
    merged boolean not null,
    replaced boolean not null,
    time timestamp not null,
    actor varchar not null,
    place bigint not null,
    seq bigint not null
);

-- The rows of a segment by the day, in UTC, that they are of.
create table core.prediction_days (
    segment_id uuid not null,
    day date not null,
    rows bigint not null
);

-- `observed` is when the labels became known, where their rows do not say it themselves (`dated`).
create table core.label_segments (
    segment_id uuid primary key,
    model varchar not null,
    sha256 varchar not null,
    rows bigint not null,
    withdrawn bigint not null,
    bytes bigint not null,
    numeric boolean not null,
    dated boolean not null,
    observed timestamp not null,
    first timestamp not null,
    last timestamp not null,
    low varchar not null,
    high varchar not null,
    time timestamp not null,
    actor varchar not null,
    place bigint not null,
    seq bigint not null
);

create view main.prediction_segments as
select
    segment_id, model, version, sha256, rows, bytes, columns, first, last, low, high, merged, time, actor, place
from core.prediction_segments
where not replaced;

create view main.prediction_days as
select s.model, s.version, d.day, sum(d.rows)::bigint as rows, count(*) as segments, max(s.place) as place
from core.prediction_days d
join core.prediction_segments s on s.segment_id = d.segment_id
where not s.replaced
group by s.model, s.version, d.day;

create view main.label_segments as
select
    segment_id, model, sha256, rows, withdrawn, bytes, numeric, dated, observed, first, last, low, high, time, actor, place
from core.label_segments;
