-- Which row of credit a request with an Idempotency-Key booked, so that it is booked once however
-- often it is sent. Kept for ever, as credit is.
create table credit_keys (
  actor text not null,
  key text not null,
  body_sha256 text not null,
  credit_id text collate "C" not null references credits,
  primary key (actor, key)
);
create trigger append_only before update or delete or truncate on credit_keys
  for each statement execute function ledger_refuse_change();
