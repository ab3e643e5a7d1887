-- With the default of how long requests are kept, versions before this one took every month without
-- open or unbilled requests for one that was over for long, dropped it, and new requests went where
-- no month takes them. What is there becomes a part of its own, as it is, up to the end of this
-- month; it is read once.

do $$
declare
  next_month int8 := extract(epoch from date_trunc('month', now(), 'UTC') + interval '1 month') * 1000;
  least_id text;
  most_id text;
  lower text;
  bound text;
  name text;
  one text;
begin
  lock table ledger_intents, ledger_settlements in access exclusive mode;
  select min(least), max(most) into least_id, most_id from (
    select min(request_id) as least, max(request_id) as most from ledger_intents_rest
    union all select min(request_id), max(request_id) from ledger_settlements_rest) as rest;
  if least_id is null then return; end if;
  select 'req_' || string_agg(
    substr('0123456789abcdefghjkmnpqrstvwxyz', 1 + ((next_month >> (5 * (9 - i))) & 31)::int, 1), ''
    order by i) into bound from generate_series(0, 9) as i;
  bound := greatest(bound collate "C", most_id || '0');
  select max(substring(pg_get_expr(c.relpartbound, c.oid) from 'TO \(''([^'']*)''\)') collate "C")
  into lower
  from pg_inherits as p join pg_class as c on c.oid = p.inhrelid
  where p.inhparent = 'ledger_intents'::regclass;
  -- Between months there is no place for one more; nobody looks for them by month.
  if lower collate "C" > least_id then return; end if;
  name := case when to_regclass('ledger_intents_first') is null then 'first' else 'rest_until_' ||
    to_char(to_timestamp(next_month / 1000) at time zone 'UTC', 'YYYYMM') end;

  foreach one in array array['ledger_intents', 'ledger_settlements'] loop
    execute format('alter table %I detach partition %I', one, one || '_rest');
    execute format('alter table %I rename to %I', one || '_rest', one || '_' || name);
    execute format('alter table %I rename constraint %I to %I', one || '_' || name,
      one || '_rest_pkey', one || '_' || name || '_pkey');
    execute format('alter table %I attach partition %I for values from (%s) to (%L)', one,
      one || '_' || name, coalesce(quote_literal(lower), 'minvalue'), bound);
    execute format('create table %I partition of %I default', one || '_rest', one);
    execute format('create trigger append_only before update or delete or truncate on %I
      for each statement execute function ledger_refuse_change()', one || '_rest');
  end loop;
end $$;
