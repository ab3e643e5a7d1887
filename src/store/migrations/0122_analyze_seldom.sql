-- A table of which a tenth has changed is analysed, at most once a minute: every minute, for an hour,
-- where the ledger is young, and for ever where rows only pass through. With many requests that is a
-- second of a processor each time, which answers wait for.

alter table usage_fresh set
  (autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000);
alter table budget_spends set
  (autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000);

do $$
declare
  part regclass;
begin
  for part in
    select inhrelid::regclass from pg_inherits
    where inhparent in ('ledger_intents'::regclass, 'ledger_settlements'::regclass)
  loop
    execute format('alter table %s set (autovacuum_analyze_threshold = 50000)', part);
  end loop;
end $$;
