-- When what pipelines make became old, since their runs went on with old data (`stale_since`), and when it was fresh again (null).
create table core.product_acts (
    path varchar not null,
    pipeline varchar not null,
    product varchar not null,
    stale_since timestamp,
    sentence varchar not null,
    consumers varchar[] not null,
    run_id uuid not null,
    time timestamp not null,
    seq bigint not null
);

create view main.product_acts as
select path, pipeline, product, stale_since, sentence, consumers, run_id, time from core.product_acts;

create view main.stale_products as
with last as (
    select * from core.product_acts qualify row_number() over (partition by path order by seq desc) = 1
)
select path, pipeline, product, stale_since, sentence, run_id, time from last where stale_since is not null;
