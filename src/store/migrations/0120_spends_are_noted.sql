-- What settled requests have spent of budgets is noted by the statement that settles them and booked
-- later, many requests of a counter at once: with a lock and an update of a counter and of a lease
-- for each request, charging cost PostgreSQL as much as the ledger itself. Until it is booked a
-- spend stays in the lease it was set aside in, so spent and leased together are never too little.

create table budget_spends (
  counter_id text collate "C" not null,
  holder text collate "C" not null,
  amount int8 not null
) with (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_insert_scale_factor = 0,
  autovacuum_vacuum_cost_delay = 0
);
create index budget_spends_counter on budget_spends (counter_id);

-- Books what is noted of some counters; null: of all. (`spend_budgets` is what earlier versions call
-- for each group of requests.)
create function book_budget_spends(counters text[]) returns void language plpgsql as $$
declare
  meant text[] := coalesce(counters, array(select distinct counter_id from budget_spends));
begin
  -- Counters are there and locked before anything else is, leases after them, both in their order.
  insert into budget_counters (id, budget_id, subject, period_start)
  select id, split_part(id, '|', 1), array_to_string((string_to_array(id, '|'))[3:], '|'),
    to_timestamp(split_part(id, '|', 2)::float8 / 1000)
  from (select distinct id collate "C" as id from unnest(meant) as id) as given
  where not exists (select from budget_counters where budget_counters.id = given.id)
    and exists (select from budget_spends where counter_id = given.id)
  order by id on conflict (id) do nothing;
  perform from budget_counters where id = any (meant) order by id for update;
  perform from budget_leases where counter_id = any (meant) order by counter_id, holder for update;

  with gone as (
    -- What was noted since then is of counters that may not be locked, and stays.
    delete from budget_spends where counter_id = any (meant)
    returning counter_id, holder, amount
  ), sums as materialized (
    select counter_id, holder, sum(amount)::int8 as amount from gone group by counter_id, holder
  ), taken as materialized (
    -- What was never in a lease is not taken out of it.
    select s.counter_id, s.holder, s.amount as spent,
      least(coalesce(l.amount, 0), s.amount) as amount
    from sums as s left join budget_leases as l
      on l.counter_id = s.counter_id and l.holder = s.holder
  ), shrunk as (
    update budget_leases as l set amount = l.amount - taken.amount
    from taken
    where l.counter_id = taken.counter_id and l.holder = taken.holder and taken.amount > 0
  )
  update budget_counters as c set spent = c.spent + of.spent, leased = c.leased - of.taken
  from (
    select counter_id, sum(spent)::int8 as spent, sum(amount)::int8 as taken
    from taken group by counter_id
  ) as of
  where c.id = of.counter_id;
end $$;

-- As before, from what is booked.
create or replace function lease_budget(
  counter text, of_holder text, need int8, want int8, ttl_ms int
) returns table (granted int8, spent int8, leased int8, limit_amount int8) language plpgsql as $$
#variable_conflict use_column
declare
  most int8;
  c budget_counters;
  free int8;
  given int8 := 0;
begin
  perform book_budget_spends(array[counter]);
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

-- As before, but that nothing is given back of a lease that has run out: what it had left may be what
-- its holder's open requests have set aside, and the rest is reclaimed anyway.
create or replace function release_budget(counter text, of_holder text, most int8) returns void
language plpgsql as $$
begin
  perform budget_counter(counter);
  perform from budget_leases
  where counter_id = counter and holder = of_holder and expires_at > clock_timestamp();
  if found and take_from_lease(counter, of_holder, most) > 0 then
    perform pg_notify('budgets', 'freed||' || counter);
  end if;
end $$;

-- As before. What is open is looked up before what is noted is booked: a request that is settled in
-- between counts as both for this time, and so takes nothing from a lease too early.
create or replace function reclaim_budget_leases() returns int language plpgsql as $$
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
    perform book_budget_spends(array[one.counter_id]);
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
