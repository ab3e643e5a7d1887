-- Engines may be rented services, with several keys each.

alter table engines
  -- Whom it is rented from; null for own machines.
  add column service text,
  -- Of Azure's addresses by deployment.
  add column api_version text;

create table engine_keys (
  id text collate "C" primary key,
  engine_id text collate "C" not null references engines on delete cascade,
  -- Encrypted, bound to the engine.
  sealed bytea not null,
  -- Fingerprint of the key it is encrypted with; null for those of before fingerprints.
  sealed_by text,
  created_at timestamptz not null
);
create index engine_keys_engine on engine_keys (engine_id);

insert into engine_keys (id, engine_id, sealed, sealed_by, created_at)
select replace(id, 'eng_', 'ekey_'), id, api_key, null, created_at
  from engines where api_key is not null;
alter table engines drop column api_key;
