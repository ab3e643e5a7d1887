-- What a service billed beside what the ledger has: by day, model and key. Nothing here is ever
-- changed; a newer reconciliation of the same source and days takes the place of an older one.

create table reconciliations (
  id bigint generated always as identity primary key,
  -- The service, as whoever reconciles calls it.
  source text not null,
  -- Of the file.
  sha256 text not null,
  from_day date not null,
  to_day date not null check (to_day > from_day),
  -- Differences of more than this keep a period from being closed.
  threshold_nanos int8 not null check (threshold_nanos >= 0),
  actor text not null,
  at timestamptz not null
);
create trigger append_only before update or delete or truncate on reconciliations
  for each statement execute function ledger_refuse_change();

create table reconciliation_lines (
  reconciliation_id bigint not null references reconciliations,
  line int not null check (line > 0),
  day date not null,
  model text not null,
  -- Name of the engine whose key it is; empty: no key was told apart.
  key text not null,
  class text not null check (class in
    ('matched', 'missing_here', 'missing_there', 'price', 'tokens')),
  -- Null: the ledger has nothing, or the file.
  ours_requests int8,
  ours_tokens int8,
  ours_nanos numeric,
  theirs_tokens int8,
  theirs_nanos numeric,
  primary key (reconciliation_id, line)
);
create index reconciliation_lines_by_day on reconciliation_lines (day) where class <> 'matched';
create trigger append_only before update or delete or truncate on reconciliation_lines
  for each statement execute function ledger_refuse_change();

-- A difference that somebody answers for. It holds for the same difference in later reconciliations.
create table ledger_variances (
  id bigint generated always as identity primary key,
  reconciliation_id bigint not null,
  line int not null,
  source text not null,
  day date not null,
  model text not null,
  key text not null,
  -- What was billed above what the ledger has.
  amount_nanos numeric not null,
  reason text not null,
  actor text not null,
  at timestamptz not null,
  unique (source, day, model, key, amount_nanos),
  foreign key (reconciliation_id, line) references reconciliation_lines
);
create trigger append_only before update or delete or truncate on ledger_variances
  for each statement execute function ledger_refuse_change();

-- Notes in the order of their hours, however many are written at once: the small index on the hours
-- is only as good as the order in which they are written.
create or replace function note_usage() returns trigger language plpgsql as $$
begin
  insert into usage_fresh (tenant_id, hour, project_id, key_id, model, served_class, rented_target,
    requests, finished, cut, recovered, input_tokens, cached_tokens, output_tokens, engine_ms,
    queue_ms, spend_nanos, charge_nanos, unpriced, hits, hit_input_tokens, hit_output_tokens)
  select tenant_id, date_bin('1 hour', settled_at, 'epoch') as hour, project_id, key_id, model,
    served_class, rented_target, count(*), count(*) filter (where settlement_group = 'finished'),
    count(*) filter (where settlement_group = 'cut'),
    count(*) filter (where settlement_group = 'recovered'), sum(input_tokens), sum(cached_tokens),
    sum(output_tokens), sum(engine_ms), sum(queue_ms), coalesce(sum(spend_nanos), 0),
    coalesce(sum(charge_nanos), 0), count(*) - count(charge_nanos), count(hit_input_tokens),
    coalesce(sum(hit_input_tokens), 0), coalesce(sum(hit_output_tokens), 0)
  from settled group by 1, 2, 3, 4, 5, 6, 7 order by hour, tenant_id;
  return null;
end $$;
