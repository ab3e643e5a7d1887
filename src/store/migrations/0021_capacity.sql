-- What each engine could have done and did, minute by minute. A minute may have been watched by
-- several runs of the gateway one after the other; each writes its own part.

create table engine_minutes (
  engine_id text collate "C" not null,
  minute_at timestamptz not null,
  recorder text collate "C" not null,
  registered_s double precision not null check (registered_s >= 0),
  up_s double precision not null check (up_s >= 0),
  idle_s double precision not null check (idle_s >= 0),
  capacity_units_per_s double precision check (capacity_units_per_s >= 0),
  slot_s double precision not null check (slot_s >= 0),
  cap_slot_s double precision not null check (cap_slot_s >= 0),
  primary key (minute_at, engine_id, recorder)
);

create table engine_minute_tenants (
  engine_id text collate "C" not null,
  minute_at timestamptz not null,
  recorder text collate "C" not null,
  tenant_id text collate "C" not null,
  interactive_units double precision not null check (interactive_units >= 0),
  background_units double precision not null check (background_units >= 0),
  entitled_units double precision not null check (entitled_units >= 0),
  waste jsonb not null,
  primary key (minute_at, engine_id, recorder, tenant_id),
  foreign key (minute_at, engine_id, recorder) references engine_minutes on delete cascade
);
create index engine_minute_tenants_by_tenant on engine_minute_tenants (tenant_id, minute_at);
