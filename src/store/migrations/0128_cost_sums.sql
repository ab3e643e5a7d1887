-- What minutes of engines come to, hour by hour of the running day and day by day before it, so that
-- costs of a month are worked out without its minutes: to the nano as from them, by whatever rule.
-- (`engine_days` is not read any more. Gateways of before still write to it while they are replaced.)

create table cost_sums (
  id bigint generated always as identity primary key,
  from_at timestamptz not null,
  until_at timestamptz not null check (until_at > from_at),
  -- Moments within it at which a part begins: where a cost or a weight changes, or a statement
  -- begins or ends.
  splits timestamptz[] not null,
  -- How many such changes there were. With another number it does not hold any more.
  changes int8 not null,
  -- False while it is being worked out.
  is_ready boolean not null default false,
  -- Its minutes are gone: it stays as it is.
  is_alone boolean not null default false
);
create index cost_sums_by_time on cost_sums (until_at);

create table cost_sum_engines (
  sum_id bigint not null references cost_sums on delete cascade,
  part_at timestamptz not null,
  engine_id text collate "C" not null,
  -- Microseconds: in all, and those of nobody by cause.
  registered int8 not null,
  free int8 not null,
  drained int8 not null,
  loading int8 not null,
  down int8 not null,
  calibration int8 not null,
  unmeasured int8 not null,
  lent_by_weight numeric not null,
  primary key (sum_id, part_at, engine_id)
);

create table cost_sum_tenants (
  sum_id bigint not null references cost_sums on delete cascade,
  part_at timestamptz not null,
  engine_id text collate "C" not null,
  tenant_id text collate "C" not null,
  used int8 not null,
  entitled int8 not null,
  lent numeric not null,
  micro_units int8 not null,
  -- Millionths of a unit by cause.
  waste jsonb not null,
  primary key (sum_id, part_at, engine_id, tenant_id)
);

-- What was settled, by class: by which a tenant's part of an engine is shared out among them.
create table cost_sum_classes (
  sum_id bigint not null references cost_sums on delete cascade,
  part_at timestamptz not null,
  tenant_id text collate "C" not null,
  served_class text collate "C" not null,
  engine_id text collate "C",
  rented_target text collate "C",
  -- Of what was rented.
  model text collate "C",
  -- Service units, and what rented services cost.
  units numeric not null,
  nanos numeric not null
);
create index cost_sum_classes_by_sum on cost_sum_classes (sum_id);

-- A minute that is written later, or changed, takes out the sums that do not have it. A trigger, so
-- that whoever writes is counted.
create function forget_cost_sums() returns trigger language plpgsql as $$
begin
  delete from cost_sums as s using (select distinct minute_at from changed) as c
  where c.minute_at >= s.from_at and c.minute_at < s.until_at and not s.is_alone;
  return null;
end $$;
create trigger engine_minutes_added after insert on engine_minutes
  referencing new table as changed for each statement execute function forget_cost_sums();
create trigger engine_minutes_changed after update on engine_minutes
  referencing old table as changed for each statement execute function forget_cost_sums();
create trigger engine_minutes_removed after delete on engine_minutes
  referencing old table as changed for each statement execute function forget_cost_sums();
create trigger engine_minute_tenants_added after insert on engine_minute_tenants
  referencing new table as changed for each statement execute function forget_cost_sums();
create trigger engine_minute_tenants_changed after update on engine_minute_tenants
  referencing old table as changed for each statement execute function forget_cost_sums();
create trigger engine_minute_tenants_removed after delete on engine_minute_tenants
  referencing old table as changed for each statement execute function forget_cost_sums();

-- The same for what is settled later.
create function forget_cost_sums_settled() returns trigger language plpgsql as $$
begin
  delete from cost_sums as s
  where s.until_at > (select min(settled_at) from settled) and not s.is_alone
    and exists (
      select from settled where settled_at >= s.from_at and settled_at < s.until_at);
  return null;
end $$;
create trigger ledger_settlements_late after insert on ledger_settlements
  referencing new table as settled for each statement execute function forget_cost_sums_settled();
