-- Gateways that share this database. `number` is what the ledger knows a gateway by; it stays the
-- same over restarts. `run` is new with every start.
create table gateways (
  id text primary key,
  number int generated always as identity unique,
  run text not null,
  url text not null,
  version text not null,
  host text not null,
  pid int not null,
  started_at timestamptz not null default now(),
  beat_at timestamptz not null default now(),
  left_at timestamptz,
  -- True once the requests that it left open are settled.
  is_settled boolean not null default false
);

-- Who schedules, until when by this database's clock. The token grows with every new holder.
create table scheduler_lease (
  only_row boolean primary key default true check (only_row),
  gateway_id text not null references gateways (id),
  run text not null,
  token bigint not null,
  since timestamptz not null,
  expires_at timestamptz not null
);

create table scheduler_takeovers (
  token bigint primary key,
  gateway_id text not null,
  at timestamptz not null default now(),
  -- From the end of the lease before to the first start under this one.
  idle_ms float8 not null,
  -- Requests that ran and that waited when it began.
  running int not null,
  waiting int not null,
  -- Places left empty for requests of which nobody told.
  held int not null
);

-- Whose request it is, where several gateways share the database.
alter table ledger_intents add column gateway int;

create function notify_engines() returns trigger language plpgsql as $$
begin
  perform pg_notify('engines', '');
  return null;
end
$$;
create trigger engines_changed after insert or delete or update of url, name, cap, draining, models
  on engines for each statement execute function notify_engines();
create trigger engine_keys_changed after insert or delete or update
  on engine_keys for each statement execute function notify_engines();
