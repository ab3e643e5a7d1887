-- Who may ask for what: tenants, their projects, the keys of these, and what was changed by whom.

create table tenants (
  id text primary key,
  name text not null,
  weight double precision not null check (weight > 0),
  -- Lists are jsonb arrays of strings.
  classes jsonb not null check (jsonb_array_length(classes) > 0),
  default_class text not null check (classes ? default_class),
  -- null: every model
  models jsonb,
  limits jsonb not null,
  hue int not null,
  created_at timestamptz not null,
  -- Ledger rows name their tenant for ever, so tenants are archived and never deleted.
  archived_at timestamptz
);
create unique index tenants_name on tenants (lower(name)) where archived_at is null;

create table projects (
  id text primary key,
  tenant_id text not null references tenants,
  name text not null,
  weight double precision not null check (weight > 0),
  created_at timestamptz not null,
  archived_at timestamptz
);
create unique index projects_name on projects (tenant_id, lower(name)) where archived_at is null;

create table keys (
  id text primary key,
  project_id text not null references projects,
  name text not null,
  -- First characters, to recognise it by; empty where only the hash was ever known.
  hint text not null,
  scopes jsonb not null check (jsonb_array_length(scopes) > 0),
  -- null: the tenant's
  default_class text,
  limits jsonb not null,
  created_at timestamptz not null,
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz
);
create index keys_project on keys (project_id);
create index keys_revoked on keys (revoked_at) where revoked_at is not null;

-- A key has one secret, or two while a rotation overlaps. Only hashes are ever stored.
create table key_secrets (
  sha256 text primary key check (sha256 ~ '^[0-9a-f]{64}$'),
  key_id text not null references keys,
  created_at timestamptz not null,
  valid_until timestamptz
);
create index key_secrets_key on key_secrets (key_id);

create table audit_log (
  id bigint generated always as identity primary key,
  at timestamptz not null,
  actor text not null,
  action text not null,
  subject text not null,
  -- Tenant concerned, null where it concerns the whole installation.
  tenant_id text,
  detail jsonb not null,
  came_from text not null
);
create index audit_log_tenant on audit_log (tenant_id, id);

create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'rows of % are never changed or deleted', tg_table_name;
end $$;
create trigger audit_log_append_only before update or delete on audit_log
  for each row execute function refuse_change();

-- Gateways cache keys and drop what these notifications name: `kind:id` or `key:id:revoked`.
create function notify_tenancy() returns trigger language plpgsql as $$
begin
  if tg_table_name = 'tenants' then
    perform pg_notify('tenancy', 'tenant:' || new.id);
  elsif tg_table_name = 'projects' then
    perform pg_notify('tenancy', 'project:' || new.id);
  elsif tg_table_name = 'key_secrets' then
    perform pg_notify('tenancy', 'key:' || coalesce(new.key_id, old.key_id));
  elsif new.revoked_at is not null then
    perform pg_notify('tenancy', 'key:' || new.id || ':revoked');
  else
    perform pg_notify('tenancy', 'key:' || new.id);
  end if;
  return null;
end $$;
create trigger tenants_notify after insert or update on tenants
  for each row execute function notify_tenancy();
create trigger projects_notify after insert or update on projects
  for each row execute function notify_tenancy();
-- Not on last_used_at, which is written every minute.
create trigger keys_notify after insert or update of
  project_id, name, scopes, default_class, limits, expires_at, revoked_at on keys
  for each row execute function notify_tenancy();
create trigger key_secrets_notify after insert or update or delete on key_secrets
  for each row execute function notify_tenancy();
