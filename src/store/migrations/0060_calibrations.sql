-- What engines can do, as measured through the gateway: one row for each calibration, kept so that
-- a change can be seen.
create table engine_calibrations (
  id bigint generated always as identity primary key,
  engine_id text not null,
  model text not null,
  -- What it was measured on: kind and version of the engine, address, processor of an own one.
  machine jsonb not null,
  -- Models, cap and sequences that the engine was started or registered with.
  settings jsonb not null,
  -- Why it was measured, a sentence.
  cause text not null,
  result jsonb not null,
  measured_at timestamptz not null
);

create index engine_calibrations_newest on engine_calibrations (engine_id, model, id desc);
