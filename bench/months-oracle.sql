-- What each tenant pays for the engines, by other means than the program: SQL over all raw rows, in
-- exact numeric, step by step. Nothing here is shared with the code that it judges.

create schema oracle;

-- By largest remainder; of equal ones the smaller name is first.
create function oracle.share(amount numeric, names text[], weights numeric[])
returns table (name text, part numeric) language sql immutable as $$
  with given as (
    select name, weight, sum(weight) over () as total from unnest(names, weights) as g (name, weight)
  ), cut as (
    select name, div(amount * weight, total) as whole, mod(amount * weight, total) as rest,
      row_number() over (order by mod(amount * weight, total) desc, name collate "C") as place
    from given where total > 0
  )
  select name, whole + case when place <= amount - sum(whole) over () then 1 else 0 end from cut
$$;

create function oracle.micro(value float8) returns numeric language sql immutable as
$$ select round(value * 1e6)::numeric $$;

-- Every minute with the cost and the weights that held when it began.
create materialized view oracle.placed as
select engine_id, minute_at, sum(oracle.micro(registered_s)) as registered,
  sum(oracle.micro(free_s)) as free, sum(oracle.micro(drained_s)) as drained,
  sum(oracle.micro(loading_s)) as loading, sum(oracle.micro(down_s)) as down,
  (select id from engine_costs c
    where c.engine_id in (m.engine_id, regexp_replace(m.engine_id, '-\d+$', ''))
      and from_at <= minute_at
    order by (c.engine_id = m.engine_id) desc, from_at desc, id desc limit 1) as cost_id,
  (select max(from_at) from tenant_weights where from_at <= minute_at) as regime
from engine_minutes m group by engine_id, minute_at;

create materialized view oracle.weight as
select regime, tenant_id, oracle.micro(weight) as weight
from (select distinct regime from oracle.placed) as r, lateral (
  select distinct on (tenant_id) tenant_id, weight from tenant_weights
  where from_at <= regime order by tenant_id, from_at desc, id desc) as w
where weight > 0;

create materialized view oracle.used as
select engine_id, cost_id, regime, tenant_id, sum(us) as us, sum(units) as units,
  sum(least(us, div(usable * coalesce(weight, 0), greatest(total, 1)))) as entitled
from (
  select p.engine_id, cost_id, p.regime, t.tenant_id, minute_at, w.weight,
    registered - loading - down as usable,
    coalesce((select sum(weight) from oracle.weight o where o.regime = p.regime), 0) as total,
    sum(oracle.micro(engine_s)) as us,
    sum(oracle.micro(interactive_units + background_units)) as units
  from oracle.placed p join engine_minute_tenants t using (engine_id, minute_at)
  left join oracle.weight w on w.regime = p.regime and w.tenant_id = t.tenant_id
  group by 1, 2, 3, 4, 5, 6, registered, loading, down) as minute
group by 1, 2, 3, 4;

create materialized view oracle.wasted as
select p.engine_id, cost_id, regime, tenant_id, key as cause, sum(oracle.micro(value::float8)) as units
from oracle.placed p join engine_minute_tenants t using (engine_id, minute_at),
  jsonb_each_text(waste)
group by 1, 2, 3, 4, 5;

-- First to tenants and to what was nobody's, in proportion to time.
create materialized view oracle.first as
select span.engine_id, span.cost_id, span.regime, s.name, s.part
from (
  select engine_id, cost_id, regime,
    (select sum(machine_nanos + energy_nanos + staff_nanos) from engine_costs where id = cost_id)
      * sum(registered) as product,
    sum(free) as free, sum(drained) as drained, sum(loading) as loading, sum(down) as down
  from oracle.placed group by 1, 2, 3) as span,
lateral (
  select array_agg(case when tenant_id = 'calibration' then 'idle calibration'
      else 'of ' || tenant_id end) as names, array_agg(us) as weights
  from oracle.used u where (u.engine_id, u.cost_id, u.regime) is not distinct from
    (span.engine_id, span.cost_id, span.regime)) as tenants,
lateral oracle.share(
  -- Half to even.
  case when product is null then 0 else div(product, 3600000000) + case
    when mod(product, 3600000000) * 2 = 3600000000 then mod(div(product, 3600000000), 2)
    when mod(product, 3600000000) * 2 > 3600000000 then 1 else 0 end end,
  array['idle free', 'idle drained', 'idle loading', 'idle down'] || tenants.names,
  array[free, drained, loading, down] || tenants.weights) as s;

-- Then each tenant's by what it was for.
create materialized view oracle.second as
select u.engine_id, u.cost_id, u.regime, u.tenant_id, s.name, s.part
from oracle.used u join oracle.first f on f.name = 'of ' || u.tenant_id and
  (f.engine_id, f.cost_id, f.regime) is not distinct from (u.engine_id, u.cost_id, u.regime),
lateral (
  select array_agg('wasted ' || cause) as names, array_agg(u.us * units) as weights,
    coalesce(sum(units), 0) as units
  from oracle.wasted w where w.tenant_id = u.tenant_id and
    (w.engine_id, w.cost_id, w.regime) is not distinct from (u.engine_id, u.cost_id, u.regime)
) as lost,
lateral oracle.share(f.part, array['entitled', 'borrowed'] || lost.names,
  array[entitled * (greatest(u.units, lost.units, 1) - lost.units),
    (us - entitled) * (greatest(u.units, lost.units, 1) - lost.units)] || lost.weights) as s;

create materialized view oracle.idle as
select engine_id, regime, part from oracle.first where name like 'idle %'
union all
select engine_id, regime, part from oracle.second
where name like 'wasted %' and name <> 'wasted client_gone';

create function oracle.tenants(rule text) returns table (tenant_id text, nanos numeric)
language sql stable as $$
  with engine_use as (
    select engine_id, tenant_id, sum(us) as us from oracle.used
    where tenant_id <> 'calibration' group by 1, 2
  ), all_use as (select tenant_id, sum(us) as us from engine_use group by 1),
  spread as (
    select i.part, coalesce(
      case when rule = 'use' then (select array[array_agg(tenant_id), array_agg(us::text)]
        from engine_use e where e.engine_id = i.engine_id having sum(us) > 0) end,
      case when rule = 'use' then (select array[array_agg(tenant_id), array_agg(us::text)]
        from all_use having sum(us) > 0) end,
      case when rule <> 'operator' then (select array[array_agg(w.tenant_id),
        array_agg(w.weight::text)] from oracle.weight w where w.regime = i.regime
        having count(*) > 0) end,
      case when rule <> 'operator' then (select array[array_agg(tenant_id), array_agg(us::text)]
        from all_use having sum(us) > 0) end) as by
    from oracle.idle i
  ), shared as (
    select s.name as tenant_id, s.part from spread, lateral oracle.share(part,
      (select array_agg(by[1][n]) from generate_subscripts(by, 2) as n),
      (select array_agg(by[2][n]::numeric) from generate_subscripts(by, 2) as n)) as s
    where by is not null
    union all select null, part from spread where by is null
    union all select second.tenant_id, part from oracle.second
      where name in ('entitled', 'borrowed', 'wasted client_gone')
  )
  select shared.tenant_id, sum(part) from shared group by 1
$$;

create procedure oracle.look() language sql as $$
  refresh materialized view oracle.placed;
  refresh materialized view oracle.weight;
  refresh materialized view oracle.used;
  refresh materialized view oracle.wasted;
  refresh materialized view oracle.first;
  refresh materialized view oracle.second;
  refresh materialized view oracle.idle;
$$;
