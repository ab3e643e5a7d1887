-- Whose the time of engines was: of tenants' requests, of free places, of engines that could not
-- work. Null in minutes of before it was measured.

alter table engine_minutes
  add column free_s double precision check (free_s >= 0),
  add column drained_s double precision check (drained_s >= 0),
  add column loading_s double precision check (loading_s >= 0),
  add column down_s double precision check (down_s >= 0);
alter table engine_minute_tenants
  add column engine_s double precision check (engine_s >= 0);

-- The weight of each tenant from a moment on, 0 from when it was archived: what it was entitled to
-- does not change with what it is entitled to now.
create table tenant_weights (
  id bigint generated always as identity primary key,
  tenant_id text collate "C" not null,
  from_at timestamptz not null,
  weight double precision not null check (weight >= 0)
);
insert into tenant_weights (tenant_id, from_at, weight)
  select id, created_at, weight from tenants
  union all select id, archived_at, 0 from tenants where archived_at is not null;

create function note_tenant_weight() returns trigger language plpgsql as $$
begin
  insert into tenant_weights (tenant_id, from_at, weight)
  values (new.id, clock_timestamp(), case when new.archived_at is null then new.weight else 0 end);
  return null;
end $$;
create trigger tenants_note_weight after insert or update of weight, archived_at on tenants
  for each row execute function note_tenant_weight();
create trigger tenant_weights_append_only before update or delete or truncate on tenant_weights
  for each statement execute function ledger_refuse_change();
