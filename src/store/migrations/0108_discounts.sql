-- What a tenant, or tenants with a price plan, get off their month: an amount or tokens that are
-- free, and percentages of what is above amounts. A version follows the one before it from a month
-- on; none is ever changed.

create table discount_terms (
  version int primary key check (version > 0),
  tenant_id text references tenants,
  plan text,
  check (num_nonnulls(tenant_id, plan) = 1),
  -- First day of the month (UTC) from which on it holds.
  from_month date not null check (extract(day from from_month) = 1),
  -- Nothing of a month is free where both are null; neither that nor tiers: the terms before end.
  free_unit text check (free_unit in ('money', 'tokens')),
  free_amount int8 check (free_amount > 0),
  check (num_nulls(free_unit, free_amount) <> 1),
  -- [{"above": nanos, "millionths": share}, …], the lowest first.
  tiers jsonb not null,
  note text not null,
  actor text not null,
  at timestamptz not null
);
create trigger append_only before update or delete or truncate on discount_terms
  for each statement execute function ledger_refuse_change();
