-- Engines that operators have added; the embedded one is not stored.

create table engines (
  id text collate "C" primary key,
  name text not null,
  url text not null unique,
  -- Encrypted under a key of the data home; null where the engine needs none.
  api_key bytea,
  -- null: what the engine says
  cap int check (cap > 0),
  -- Names as a jsonb array; null: all of its models
  models jsonb,
  draining boolean not null default false,
  -- What it told of itself last, so that its models are known while it is away.
  profile jsonb,
  created_at timestamptz not null
);
create unique index engines_name on engines (lower(name));
