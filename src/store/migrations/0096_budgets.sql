-- Budgets: what may be spent in a time, by whom. What was spent, and what gateways may spend without
-- asking (leases), stands in one row for each period of a budget, which every change locks first;
-- so spent and leased together never pass the limit, whoever asks at the same time.

-- By whose days and months budgets renew.
alter table tenants add column time_zone text not null default 'UTC';

create table budgets (
  id text collate "C" primary key,
  name text not null,
  tenant_id text not null references tenants,
  -- Whom it is for within the tenant; of an end user, '*': each has as much.
  project_id text references projects,
  key_id text references keys,
  end_user text,
  check (num_nonnulls(project_id, key_id, end_user) <= 1),
  unit text not null check (unit in ('money', 'tokens', 'engine_seconds')),
  -- Nanos, tokens or milliseconds.
  limit_amount int8 not null check (limit_amount >= 0),
  period text not null check (period in ('hour', 'day', 'week', 'month', 'total')),
  -- False: it is only told when it is passed.
  is_hard boolean not null,
  -- True where an answer may be made shorter so that it still fits.
  clamps boolean not null,
  created_at timestamptz not null,
  ended_at timestamptz
);
create index budgets_tenant on budgets (tenant_id) where ended_at is null;

create function notify_budgets() returns trigger language plpgsql as $$
begin
  perform pg_notify('budgets', 'changed');
  return null;
end $$;
create trigger budgets_notify after insert or update on budgets
  for each statement execute function notify_budgets();

-- Identifier: budget, start of the period (milliseconds since the epoch) and subject, with bars.
create table budget_counters (
  id text collate "C" primary key,
  budget_id text collate "C" not null references budgets,
  -- The end user, where each has a count of its own.
  subject text not null,
  period_start timestamptz not null,
  spent int8 not null default 0 check (spent >= 0),
  leased int8 not null default 0 check (leased >= 0)
) with (fillfactor = 50);
create index budget_counters_budget on budget_counters (budget_id, period_start);

-- What a gateway may spend of a counter until then. After it, what its open requests may still cost.
create table budget_leases (
  counter_id text collate "C" not null references budget_counters,
  holder text collate "C" not null,
  amount int8 not null check (amount >= 0),
  expires_at timestamptz not null,
  primary key (counter_id, holder)
);

-- What was set aside for a request: [[counter, holder of the lease, amount], …]; null: nothing.
alter table ledger_intents add column reserved jsonb;

create function budget_counter(counter text) returns budget_counters language plpgsql as $$
declare
  parts text[] := string_to_array(counter, '|');
  found_row budget_counters;
begin
  insert into budget_counters (id, budget_id, subject, period_start)
  values (counter, parts[1], array_to_string(parts[3:], '|'),
    to_timestamp(parts[2]::float8 / 1000))
  on conflict (id) do nothing;
  select * into found_row from budget_counters where id = counter for update;
  return found_row;
end $$;

-- More of a counter for a holder: at least `need`, or nothing; blocks shrink as less is left.
create function lease_budget(counter text, of_holder text, need int8, want int8, ttl_ms int)
returns table (granted int8, spent int8, leased int8, limit_amount int8) language plpgsql as $$
#variable_conflict use_column
declare
  most int8;
  c budget_counters;
  free int8;
  given int8 := 0;
begin
  c := budget_counter(counter);
  select b.limit_amount into most from budgets b where b.id = c.budget_id;
  free := most - c.spent - c.leased;
  if need > 0 and free >= need then
    given := least(free, greatest(need, least(want, free / 8)));
    update budget_counters set leased = leased + given where id = counter;
    insert into budget_leases (counter_id, holder, amount, expires_at)
    values (counter, of_holder, given, clock_timestamp() + ttl_ms * interval '1 millisecond')
    on conflict (counter_id, holder) do update
    set amount = budget_leases.amount + excluded.amount, expires_at = excluded.expires_at;
  elsif need > 0 and c.leased > 0 then
    perform pg_notify('budgets', 'wanted|' || of_holder || '|' || counter);
  end if;
  return query select given, c.spent, c.leased + given, most;
end $$;

-- Takes from a lease; what was never in it is not taken.
create function take_from_lease(counter text, of_holder text, most int8) returns int8
language plpgsql as $$
declare
  taken int8;
begin
  select least(amount, most) into taken from budget_leases
  where counter_id = counter and holder = of_holder for update;
  taken := coalesce(taken, 0);
  update budget_leases set amount = amount - taken
  where counter_id = counter and holder = of_holder;
  update budget_counters set leased = leased - taken where id = counter;
  return taken;
end $$;

-- Gives back what a gateway does not need.
create function release_budget(counter text, of_holder text, most int8) returns void
language plpgsql as $$
begin
  perform budget_counter(counter);
  if take_from_lease(counter, of_holder, most) > 0 then
    perform pg_notify('budgets', 'freed||' || counter);
  end if;
end $$;

-- Books what settled requests have spent, out of the leases it was set aside in.
-- spends: [{counter, holder, amount}, …]
create function spend_budgets(spends json) returns void language plpgsql as $$
declare
  one record;
begin
  for one in
    select counter, holder, sum(amount)::int8 as amount
    from json_to_recordset(spends) as given (counter text, holder text, amount int8)
    group by counter, holder order by counter collate "C", holder collate "C"
  loop
    perform budget_counter(one.counter);
    perform take_from_lease(one.counter, one.holder, one.amount);
    update budget_counters set spent = spent + one.amount where id = one.counter;
  end loop;
end $$;

-- Leases whose holder is gone shrink to what its requests that are still open may cost.
create function reclaim_budget_leases() returns int language plpgsql as $$
declare
  one record;
  open_amount int8;
  taken int8;
  reclaimed int := 0;
begin
  for one in
    select counter_id, holder from budget_leases where expires_at < clock_timestamp()
    order by counter_id, holder
  loop
    perform budget_counter(one.counter_id);
    perform from budget_leases where counter_id = one.counter_id and holder = one.holder
      and expires_at < clock_timestamp();
    continue when not found;
    select coalesce(sum((r ->> 2)::int8), 0) into open_amount
    from (
      select i.reserved from ledger_intents i
      where i.request_id >= coalesce((select low_water from ledger_mark), '')
        and i.reserved is not null
        and not exists (select from ledger_settlements s where s.request_id = i.request_id)
      union all
      select i.reserved from ledger_open o join ledger_intents i using (request_id)
      where i.request_id < coalesce((select low_water from ledger_mark), '')
        and i.reserved is not null
        and not exists (select from ledger_settlements s where s.request_id = i.request_id)
    ) as open_intents, jsonb_array_elements(reserved) as r
    where r ->> 0 = one.counter_id and r ->> 1 = one.holder;
    select greatest(0, amount - open_amount) into taken from budget_leases
    where counter_id = one.counter_id and holder = one.holder;
    taken := take_from_lease(one.counter_id, one.holder, taken);
    if open_amount = 0 then
      delete from budget_leases where counter_id = one.counter_id and holder = one.holder;
    end if;
    if taken > 0 then
      reclaimed := reclaimed + 1;
      perform pg_notify('budgets', 'freed||' || one.counter_id);
    end if;
  end loop;
  return reclaimed;
end $$;
