-- Guards stand in one document with the routes, so a version is both at once.

alter table route_versions
  add column guards jsonb not null default '[]' check (jsonb_typeof(guards) = 'array');

-- Which guards looked at a request and how they found it: [{"name", "outcome"}]. Null: none did.

alter table ledger_settlements
  add column guards jsonb;
