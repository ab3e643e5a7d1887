-- Answers that came out of the response cache: which keys may use it, and what hits were worth.

alter table keys add column response_cache boolean not null default false;
drop trigger keys_notify on keys;
create trigger keys_notify after insert or update of
  project_id, name, scopes, default_class, limits, expires_at, revoked_at, response_cache on keys
  for each row execute function notify_tenancy();

-- Tokens of the answer that was kept, which no engine worked for. Null: not a hit.
alter table ledger_settlements
  add column hit_input_tokens int,
  add column hit_output_tokens int;
