-- What an hour of an engine costs, from a moment on. A new cost is a new row, never a change of
-- one. Amounts are nanos, billionths of the currency.

create table engine_costs (
  id bigint generated always as identity primary key,
  -- Of an engine, or of an entry with replicas, each of which costs as much.
  engine_id text collate "C" not null,
  -- As it was called then: engines are removed, what they cost stays.
  engine_name text not null,
  -- Capacity is measured by the minute, so a cost holds for whole ones.
  from_at timestamptz not null check (from_at = date_trunc('minute', from_at, 'UTC')),
  machine_nanos int8 not null check (machine_nanos >= 0),
  energy_nanos int8 not null check (energy_nanos >= 0),
  staff_nanos int8 not null check (staff_nanos >= 0),
  actor text not null,
  at timestamptz not null
);
create index engine_costs_by_engine on engine_costs (engine_id, from_at, id);

create trigger engine_costs_append_only
  before update or delete or truncate on engine_costs
  for each statement execute function ledger_refuse_change();
