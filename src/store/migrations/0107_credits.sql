-- Prepaid credit: what a tenant has paid before it asks. It is a hard budget of money that never
-- renews, whose limit is the sum of its rows of credit; so what keeps budgets keeps it.

alter table budgets add column is_prepaid boolean not null default false,
  add constraint budgets_prepaid check (not is_prepaid or (unit = 'money' and period = 'total'
    and is_hard and num_nonnulls(project_id, key_id, end_user) = 0));
create unique index budgets_prepaid on budgets (tenant_id) where is_prepaid and ended_at is null;

create table credits (
  id text collate "C" primary key,
  tenant_id text not null references tenants,
  budget_id text collate "C" not null references budgets,
  kind text not null,
  -- What the tenant has more of; a refund is less.
  amount_nanos int8 not null,
  note text not null check (note <> ''),
  actor text not null,
  at timestamptz not null,
  check (case kind when 'top_up' then amount_nanos > 0 when 'refund' then amount_nanos < 0
    when 'correction' then amount_nanos <> 0 else false end)
);
create index credits_tenant on credits (tenant_id, id);
create trigger append_only before update or delete or truncate on credits
  for each statement execute function ledger_refuse_change();

create function count_credit() returns trigger language plpgsql as $$
begin
  update budgets set limit_amount = limit_amount + new.amount_nanos
  where id = new.budget_id and is_prepaid and ended_at is null;
  if not found then
    raise exception 'the budget % takes no credit', new.budget_id;
  end if;
  return null;
end $$;
create trigger count_credit after insert on credits
  for each row execute function count_credit();
