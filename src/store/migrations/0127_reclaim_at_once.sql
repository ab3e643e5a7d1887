-- As before, for all leases that have run out together: what is open was looked up anew for each of
-- them, so ten thousand counters whose hour had ended read the last minutes of the ledger ten
-- thousand times, never came to an end in the time of a statement, and gave nothing back.
--
-- What is open is looked up before anything is locked, and before what is noted is booked: a request
-- that is settled in between counts as both for this time, and so takes nothing from a lease too
-- early. Nothing more is set aside in a lease that has run out, so there is never more open of it.
create or replace function reclaim_budget_leases() returns int language plpgsql as $$
declare
  -- Of one call, so that each comes to its end.
  leases_max constant int := 5000;
  counters text[];
  holders text[];
  open_amounts int8[];
  reclaimed int;
begin
  perform from budget_leases where expires_at < clock_timestamp() limit 1;
  if not found then
    return 0;
  end if;

  with expired as materialized (
    select counter_id, holder, amount from budget_leases where expires_at < clock_timestamp()
  ), candidate as (
    select i.request_id, i.reserved from ledger_intents as i
    where i.request_id >= coalesce((select low_water from ledger_mark), '')
    union all
    select i.request_id, i.reserved from ledger_open as o, lateral (
      select request_id, reserved from ledger_intents
      where ledger_intents.request_id = o.request_id limit 1) as i
    where o.request_id < coalesce((select low_water from ledger_mark), '')
  ), open as materialized (
    select r ->> 0 as counter_id, r ->> 1 as holder, sum((r ->> 2)::int8)::int8 as amount
    from candidate as c, jsonb_array_elements(c.reserved) as r
    -- A look-up by key, whatever the planner believes.
    where (select true from ledger_settlements as s where s.request_id = c.request_id limit 1)
      is null
    group by 1, 2
  )
  select array_agg(counter_id), array_agg(holder), array_agg(open_amount)
  into counters, holders, open_amounts
  from (
    select e.counter_id, e.holder, coalesce(o.amount, 0) as open_amount
    from expired as e left join open as o
      on o.counter_id = e.counter_id and o.holder = e.holder
    -- Others have nothing to give yet, and are not to keep those out that have.
    where e.amount > coalesce(o.amount, 0) or o.amount is null
    limit leases_max
  ) as due;
  if counters is null then
    return 0;
  end if;

  -- Locks the counters and then their leases, both in their order.
  perform book_budget_spends(counters);
  with due as materialized (
    select * from unnest(counters, holders, open_amounts) as due (counter_id, holder, open_amount)
  ), taken as materialized (
    select l.counter_id, l.holder, greatest(0, l.amount - due.open_amount) as amount,
      due.open_amount = 0 as is_over
    from due join budget_leases as l
      on l.counter_id = due.counter_id and l.holder = due.holder
    -- It may have been renewed.
    where l.expires_at < clock_timestamp()
  ), ended as (
    delete from budget_leases as l using taken
    where taken.is_over and l.counter_id = taken.counter_id and l.holder = taken.holder
  ), shrunk as (
    update budget_leases as l set amount = l.amount - taken.amount
    from taken
    where not taken.is_over and l.counter_id = taken.counter_id and l.holder = taken.holder
      and taken.amount > 0
  ), freed as (
    update budget_counters as c set leased = c.leased - of.amount
    from (
      select counter_id, sum(amount)::int8 as amount, count(*) as leases from taken
      where amount > 0 group by counter_id
    ) as of
    where c.id = of.counter_id
    returning c.id, of.leases
  )
  select coalesce(sum(leases), 0) from (
    select leases, pg_notify('budgets', 'freed||' || id) from freed
  ) as told into reclaimed;
  return reclaimed;
end $$;
