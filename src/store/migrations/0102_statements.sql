-- Closed periods: a numbered statement for each tenant, and credit notes that take one back. A row
-- holds the hash of the one before it, so that none can be changed or taken out unnoticed.

create table ledger_statements (
  number int primary key check (number > 0),
  kind text not null check (kind in ('statement', 'credit_note')),
  tenant_id text collate "C" not null,
  from_at timestamptz not null,
  to_at timestamptz not null check (to_at > from_at),
  -- The statement that a credit note takes back; each only once.
  corrects int unique references ledger_statements (number),
  -- JSON as it was hashed, to the byte.
  document text not null,
  previous_hash text not null,
  hash text not null,
  -- Ed25519 over the hash; the key it can be checked with.
  signature text not null,
  public_key text not null,
  closed_at timestamptz not null,
  actor text not null,
  check ((kind = 'credit_note') = (corrects is not null))
);
create index ledger_statements_by_tenant on ledger_statements (tenant_id, from_at);
create index ledger_statements_by_period on ledger_statements (from_at, to_at);

create trigger ledger_statements_append_only
  before update or delete or truncate on ledger_statements
  for each statement execute function ledger_refuse_change();
