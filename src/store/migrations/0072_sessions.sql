-- The conversation that a request belongs to, as agent programs tell it. Null: nothing named one.

alter table ledger_intents add column session_id text;
alter table ledger_settlements add column session_id text;
create index ledger_settlements_by_session on ledger_settlements (session_id, settled_at)
  where session_id is not null;
