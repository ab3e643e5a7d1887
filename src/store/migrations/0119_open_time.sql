-- What is settled at a time that is on a statement already, as after a clock was set back, is of the
-- time that follows: a statement does not change.

create index ledger_statements_by_end on ledger_statements (to_at);

-- The first moment from a given one on that no standing statement of a tenant has.
create function open_from(tenant text, since timestamptz) returns timestamptz
language plpgsql stable as $$
declare
  closed timestamptz;
begin
  loop
    select max(s.to_at) into closed from ledger_statements as s
    where s.tenant_id = tenant and s.kind = 'statement' and s.from_at <= since and s.to_at > since
      and not exists (select from ledger_statements as c where c.corrects = s.number);
    exit when closed is null;
    since := closed;
  end loop;
  return since;
end $$;
