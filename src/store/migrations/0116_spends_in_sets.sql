-- Books what settled requests have spent, out of the leases it was set aside in, as one set: a group
-- of a hundred counters took six statements for each of them.
-- Counters are locked first and in their order, leases after them in theirs, as everywhere.
-- spends: [{counter, holder, amount}, …]
create or replace function spend_budgets(spends json) returns void language plpgsql as $$
declare
  counters text[];
  holders text[];
  amounts int8[];
  known int;
begin
  select array_agg(s.counter), array_agg(s.holder), array_agg(s.amount)
  into counters, holders, amounts
  from (
    select counter, holder, sum(amount)::int8 as amount
    from json_to_recordset(spends) as given (counter text, holder text, amount int8)
    group by counter, holder
  ) as s;
  if counters is null then
    return;
  end if;

  perform from budget_counters where id = any (counters) order by id for update;
  get diagnostics known = row_count;
  if known < (select count(distinct counter) from unnest(counters) as counter) then
    perform budget_counter(missing.counter)
    from (
      select distinct counter collate "C" as counter from unnest(counters) as counter
      where not exists (select from budget_counters where id = counter)
      order by 1
    ) as missing;
  end if;
  perform from budget_leases as l
  join unnest(counters, holders) as given (counter, holder)
    on l.counter_id = given.counter and l.holder = given.holder
  order by l.counter_id, l.holder for update of l;

  -- What was never in a lease is not taken out of it.
  with given as materialized (
    select * from unnest(counters, holders, amounts) as given (counter, holder, amount)
  ), taken as materialized (
    select l.counter_id, l.holder, least(l.amount, given.amount) as amount
    from given join budget_leases as l
      on l.counter_id = given.counter and l.holder = given.holder
  ), shrunk as (
    update budget_leases as l set amount = l.amount - taken.amount
    from taken
    where l.counter_id = taken.counter_id and l.holder = taken.holder and taken.amount > 0
  )
  update budget_counters as c set spent = c.spent + sums.spent, leased = c.leased - sums.taken
  from (
    select given.counter, sum(given.amount) as spent, coalesce(sum(taken.amount), 0) as taken
    from given left join taken
      on taken.counter_id = given.counter and taken.holder = given.holder
    group by given.counter
  ) as sums
  where c.id = sums.counter;
end $$;
