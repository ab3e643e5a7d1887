-- What was used, by the hour of the settlement: sums that stay when requests are gone. Whatever is
-- settled is noted in `usage_fresh` by the statement that settles it; one gateway at a time moves
-- what is there into `usage_hours`. Usage is the sum of both tables, so it never lags behind.

create table usage_hours (
  tenant_id text collate "C" not null,
  hour timestamptz not null,
  project_id text collate "C" not null,
  key_id text collate "C" not null,
  model text collate "C" not null,
  served_class text collate "C" not null,
  -- Null: own engines.
  rented_target text collate "C",
  requests int8 not null,
  finished int8 not null,
  cut int8 not null,
  recovered int8 not null,
  input_tokens int8 not null,
  cached_tokens int8 not null,
  output_tokens int8 not null,
  engine_ms int8 not null,
  queue_ms int8 not null,
  spend_nanos int8 not null,
  charge_nanos numeric not null,
  unpriced int8 not null,
  hits int8 not null,
  hit_input_tokens int8 not null,
  hit_output_tokens int8 not null
);

create table usage_fresh (
  like usage_hours including all,
  id bigint generated always as identity primary key
) with (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_insert_scale_factor = 0,
  autovacuum_vacuum_cost_delay = 0
);

create unique index usage_hours_key on usage_hours
  (tenant_id, hour, project_id, key_id, model, served_class, rented_target) nulls not distinct;
-- Hours are written about in their order, so this one is small.
create index usage_hours_by_time on usage_hours using brin (hour);

create function note_usage() returns trigger language plpgsql as $$
begin
  insert into usage_fresh (tenant_id, hour, project_id, key_id, model, served_class, rented_target,
    requests, finished, cut, recovered, input_tokens, cached_tokens, output_tokens, engine_ms,
    queue_ms, spend_nanos, charge_nanos, unpriced, hits, hit_input_tokens, hit_output_tokens)
  select tenant_id, date_bin('1 hour', settled_at, 'epoch'), project_id, key_id, model, served_class,
    rented_target, count(*), count(*) filter (where settlement_group = 'finished'),
    count(*) filter (where settlement_group = 'cut'),
    count(*) filter (where settlement_group = 'recovered'), sum(input_tokens), sum(cached_tokens),
    sum(output_tokens), sum(engine_ms), sum(queue_ms), coalesce(sum(spend_nanos), 0),
    coalesce(sum(charge_nanos), 0), count(*) - count(charge_nanos), count(hit_input_tokens),
    coalesce(sum(hit_input_tokens), 0), coalesce(sum(hit_output_tokens), 0)
  from settled group by 1, 2, 3, 4, 5, 6, 7;
  return null;
end $$;
create trigger ledger_settlements_usage after insert on ledger_settlements
  referencing new table as settled for each statement execute function note_usage();

insert into usage_hours
  select tenant_id, date_bin('1 hour', settled_at, 'epoch'), project_id, key_id, model, served_class,
    rented_target, count(*), count(*) filter (where settlement_group = 'finished'),
    count(*) filter (where settlement_group = 'cut'),
    count(*) filter (where settlement_group = 'recovered'), sum(input_tokens), sum(cached_tokens),
    sum(output_tokens), sum(engine_ms), sum(queue_ms), coalesce(sum(spend_nanos), 0),
    coalesce(sum(charge_nanos), 0), count(*) - count(charge_nanos), count(hit_input_tokens),
    coalesce(sum(hit_input_tokens), 0), coalesce(sum(hit_output_tokens), 0)
  from ledger_settlements group by 1, 2, 3, 4, 5, 6, 7 order by 2, 1;
