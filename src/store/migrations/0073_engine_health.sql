-- How engines have been: parts of every minute, what was tried there and failed, and each change of
-- state with its reason.

alter table engine_minutes
  -- Of the seconds up, those in which its circuit was not closed.
  add column degraded_s double precision not null default 0 check (degraded_s >= 0),
  add column draining_s double precision not null default 0 check (draining_s >= 0),
  -- Requests that left it, and of those the failed ones by cause, e.g. {"broken": 2}.
  add column attempts int not null default 0 check (attempts >= 0),
  add column failures jsonb not null default '{}';
create index engine_minutes_by_engine on engine_minutes (engine_id, minute_at);

create table engine_changes (
  engine_id text collate "C" not null,
  at timestamptz not null,
  state text not null,
  -- Why, a sentence.
  reason text not null,
  primary key (engine_id, at)
);
