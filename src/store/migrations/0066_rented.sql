-- What was served by a rented target of a route, and at which price. Null: by own engines.

alter table ledger_settlements
  add column rented_target text,
  add column spend_nanos int8 check (spend_nanos >= 0);
create index ledger_settlements_rented on ledger_settlements (settled_at)
  where rented_target is not null;
