-- Most requests end before they have durable progress, so a row of working state is no longer
-- written with every intent. An open request is an intent without a settlement, and this mark says
-- where to look: whatever is open before `low_water` has its row in ledger_open. An intent that is
-- written with an identifier before `next_low_water` brings that row itself.
create table ledger_mark (
  only_row boolean primary key default true check (only_row),
  low_water text collate "C" not null,
  next_low_water text collate "C" not null,
  next_since timestamptz not null default now(),
  check (low_water <= next_low_water)
);

-- Until now every open request had its row, so the mark may be anywhere.
insert into ledger_mark (low_water, next_low_water)
select newest, newest from (select coalesce(max(request_id), '') as newest from ledger_intents) as i;

-- Requests are listed by their settlements, which nobody waits for.
drop index ledger_intents_by_tenant;
drop index ledger_intents_by_key;
create index ledger_settlements_by_key on ledger_settlements (key_id, settled_at);
