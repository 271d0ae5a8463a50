-- What a finished run of a notebook depended on, and what it wrote: by these an unchanged one is known.
create table core.run_keys (
    run_id uuid not null,
    notebook varchar not null,
    static_key varchar not null,
    key varchar not null,
    skippable boolean not null,
    reason varchar,
    parts varchar not null,
    seq bigint not null
);

create index run_keys_by_static_key on core.run_keys (static_key);

create table core.outputs (run_id uuid not null, name varchar not null, path varchar not null, digest varchar not null, seq bigint not null);

create view main.run_keys as
select run_id, notebook, static_key, key, skippable, reason, parts from core.run_keys;

create view main.run_outputs as
select run_id, name, path, digest from core.outputs;
