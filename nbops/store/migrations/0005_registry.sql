-- What models are for and by which policy they are promoted; aliases, reviews and freezes, each as what was done, in order.
create table core.model_cards (
    model varchar not null,
    card varchar not null,
    why varchar,
    time timestamp not null,
    actor varchar not null,
    seq bigint not null
);

create table core.comments (
    model varchar not null,
    version integer,
    text varchar not null,
    time timestamp not null,
    actor varchar not null,
    seq bigint not null
);

create table core.alias_moves (
    model varchar not null,
    alias varchar not null,
    before integer,
    after integer,
    kind varchar not null check (kind in ('set', 'removed', 'promoted', 'rolled back')),
    review_id uuid,
    why varchar,
    time timestamp not null,
    actor varchar not null,
    seq bigint not null
);

create table core.freezes (
    model varchar not null,
    version integer,
    frozen boolean not null,
    why varchar not null,
    time timestamp not null,
    actor varchar not null,
    seq bigint not null
);

create table core.reviews (
    review_id uuid primary key,
    model varchar not null,
    version integer not null,
    alias varchar not null,
    reason varchar not null,
    expires timestamp not null,
    created timestamp not null,
    actor varchar not null,
    seq bigint not null
);

create table core.review_acts (
    review_id uuid not null,
    act varchar not null check (act in ('propose', 'approve', 'reject', 'send back', 'answer', 'withdraw')),
    outcome varchar not null check (outcome in ('done', 'conflict', 'refused')),
    message varchar,
    reason varchar,
    holder integer,
    passed boolean,
    verdict varchar,
    attested_by varchar,
    evidence varchar,
    until timestamp,
    time timestamp not null,
    actor varchar not null,
    seq bigint not null
);

create view main.model_cards as
select model, card, why, time, actor from core.model_cards qualify row_number() over (partition by model order by seq desc) = 1;

create view main.comments as
select model, version, text, time, actor from core.comments;

create view main.aliases as
select model, alias, after as version, kind, review_id, why, time as since, actor
from core.alias_moves
qualify row_number() over (partition by model, alias order by seq desc) = 1 and after is not null;

create view main.alias_history as
select
    model, alias, before as version_before, after as version, kind, review_id, why, time as since,
    lead(time) over (partition by model, alias order by seq) as until, actor
from core.alias_moves;

create view main.freezes as
select model, version, why, time as since, actor
from core.freezes
qualify row_number() over (partition by model, version order by seq desc) = 1 and frozen;

create view main.review_acts as
select review_id, act, outcome, message, reason, holder, passed, verdict, attested_by, evidence, until, time, actor
from core.review_acts;

create view main.reviews as
select
    r.review_id, r.model, r.version, r.alias, r.reason, r.created, r.actor as requested_by, r.expires,
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
        a.review_id, a.act, a.time, a.actor,
        exists (select 1 from core.alias_moves m where m.review_id = a.review_id and m.kind = 'promoted') as moved
    from core.review_acts a
    where a.outcome = 'done'
    qualify row_number() over (partition by a.review_id order by a.seq desc) = 1
) last on last.review_id = r.review_id;
