-- Tags of keys, by which targets of routes are opened to them.

alter table keys add column tags jsonb not null default '[]';
drop trigger keys_notify on keys;
create trigger keys_notify after insert or update of
  project_id, name, scopes, default_class, limits, expires_at, revoked_at, response_cache, tags
  on keys for each row execute function notify_tenancy();
