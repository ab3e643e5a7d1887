-- Requests by month, so that old ones can be dropped as a whole. Both tables of requests are split
-- by ranges of identifiers, which begin with their time. What there was until now becomes the first
-- part of each, as it is: nothing is copied, each table is read once.

drop trigger ledger_settlements_usage on ledger_settlements;
drop trigger ledger_settlements_append_only on ledger_settlements;
drop trigger ledger_intents_append_only on ledger_intents;

alter table ledger_intents rename to ledger_intents_first;
alter table ledger_intents_first rename constraint ledger_intents_pkey to ledger_intents_first_pkey;
create table ledger_intents (
  like ledger_intents_first including defaults including constraints, primary key (request_id)
) partition by range (request_id);

alter table ledger_settlements rename to ledger_settlements_first;
alter table ledger_settlements_first
  rename constraint ledger_settlements_pkey to ledger_settlements_first_pkey;
alter index ledger_settlements_by_time rename to ledger_settlements_first_by_time;
alter index ledger_settlements_by_tenant rename to ledger_settlements_first_by_tenant;
alter index ledger_settlements_by_key rename to ledger_settlements_first_by_key;
alter index ledger_settlements_rented rename to ledger_settlements_first_rented;
alter index ledger_settlements_by_session rename to ledger_settlements_first_by_session;
create table ledger_settlements (
  like ledger_settlements_first including defaults including constraints, primary key (request_id)
) partition by range (request_id);
create index ledger_settlements_by_time on ledger_settlements (settled_at);
create index ledger_settlements_by_tenant on ledger_settlements (tenant_id, settled_at);
create index ledger_settlements_by_key on ledger_settlements (key_id, settled_at);
create index ledger_settlements_rented on ledger_settlements (settled_at)
  where rented_target is not null;
create index ledger_settlements_by_session on ledger_settlements (session_id, settled_at)
  where session_id is not null;

do $$
declare
  next_month int8 := extract(epoch from date_trunc('month', now(), 'UTC') + interval '1 month') * 1000;
  bound text;
  one text;
begin
  -- The least identifier of next month, as base/ids.ts writes it; or more, where there is more.
  select 'req_' || string_agg(
    substr('0123456789abcdefghjkmnpqrstvwxyz', 1 + ((next_month >> (5 * (9 - i))) & 31)::int, 1), ''
    order by i) into bound from generate_series(0, 9) as i;
  select greatest(bound collate "C", max(id) || '0') into bound from (
    select max(request_id) as id from ledger_intents_first
    union all select max(request_id) from ledger_settlements_first) as ids;
  foreach one in array array['ledger_intents', 'ledger_settlements'] loop
    execute format('alter table %I attach partition %I for values from (minvalue) to (%L)',
      one, one || '_first', bound);
    -- What no month takes.
    execute format('create table %I partition of %I default', one || '_rest', one);
    execute format('create trigger append_only before update or delete or truncate on %I
      for each statement execute function ledger_refuse_change()', one || '_rest');
    execute format('create trigger append_only before update or delete or truncate on %I
      for each statement execute function ledger_refuse_change()', one || '_first');
    execute format('create trigger append_only before update or delete or truncate on %I
      for each statement execute function ledger_refuse_change()', one);
  end loop;
end $$;
create trigger ledger_settlements_usage after insert on ledger_settlements
  referencing new table as settled for each statement execute function note_usage();

-- What was dropped: all requests before an identifier, and what they came to.
create table ledger_drops (
  until_id text collate "C" primary key,
  -- All hours before are told by `usage_hours` alone.
  hours_before timestamptz not null,
  requests int8 not null,
  input_tokens int8 not null,
  output_tokens int8 not null,
  spend_nanos numeric not null,
  charge_nanos numeric not null,
  at timestamptz not null
);
create trigger ledger_drops_append_only before update or delete or truncate on ledger_drops
  for each statement execute function ledger_refuse_change();
