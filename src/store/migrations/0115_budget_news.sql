-- Which budgets have changed, so that whoever hears of it need not read all others.
create or replace function notify_budgets() returns trigger language plpgsql as $$
begin
  perform pg_notify('budgets', 'changed|' || new.id);
  return null;
end $$;
drop trigger budgets_notify on budgets;
create trigger budgets_notify after insert or update on budgets
  for each row execute function notify_budgets();
