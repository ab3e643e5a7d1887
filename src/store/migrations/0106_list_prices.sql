-- What closed services charge by their public price pages, as an operator gave it. A list follows
-- the one before it as a whole; the newest holds. Where there is none, or the newest has no prices,
-- the list that comes with the program holds.

create table list_price_lists (
  version int primary key check (version > 0),
  -- An array of prices as they were written; null: back to the list of the program.
  prices jsonb,
  note text not null,
  actor text not null,
  at timestamptz not null
);
create trigger append_only before update or delete or truncate on list_price_lists
  for each statement execute function ledger_refuse_change();
