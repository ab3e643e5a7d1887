-- Programs and people who call with a token of the identity provider instead of a key, and
-- accounts of programs.

create table service_accounts (
  id text primary key,
  tenant_id text not null references tenants,
  name text not null,
  -- `sub` of tokens that stand for it; null: it has keys only.
  token_subject text unique,
  created_at timestamptz not null,
  disabled_at timestamptz
);
create unique index service_accounts_name on service_accounts (tenant_id, lower(name));

alter table keys
  add column service_account_id text references service_accounts,
  -- Issuer and `sub`; such a key has no secret: it was made when a token of theirs first came, so
  -- that what they ask for has limits, a name in the ledger, and an end.
  add column subject text,
  -- Why the account behind it may not at present; an end that can be taken back.
  add column suspended_at timestamptz;
create index keys_service_account on keys (service_account_id) where service_account_id is not null;
create unique index keys_subject on keys (subject, project_id) where subject is not null;

drop trigger keys_notify on keys;
create trigger keys_notify after insert or update of
  project_id, name, scopes, default_class, limits, expires_at, revoked_at, response_cache, tags,
  suspended_at
  on keys for each row execute function notify_tenancy();

-- Whatever a token stood for may be another now.
create function notify_tokens() returns trigger language plpgsql as $$
begin
  perform pg_notify('tenancy', 'tokens:');
  return null;
end $$;
create trigger access_rules_notify after insert or update or delete on access_rules
  for each statement execute function notify_tokens();
create trigger service_accounts_notify after update or delete on service_accounts
  for each statement execute function notify_tokens();
create trigger people_notify after update of role, tenant_ids, groups, state or delete on people
  for each statement execute function notify_tokens();
