-- Evidence that no row of the audit log was changed, taken out or put in afterwards: each link
-- holds a hash over the link before it and its row.

create table audit_chain (
  -- Without gaps, in the order in which the transactions ended.
  seq bigint primary key,
  audit_id bigint not null unique,
  hash text not null
);
create trigger audit_chain_append_only before update or delete on audit_chain
  for each row execute function refuse_change();

create trigger audit_chain_no_truncate before truncate on audit_chain
  for each statement execute function refuse_change();
create trigger audit_log_no_truncate before truncate on audit_log
  for each statement execute function refuse_change();

create function audit_hash(previous text, entry audit_log) returns text language sql stable as $$
  select encode(sha256(convert_to(concat_ws(E'\n', previous, entry.id,
    (extract(epoch from entry.at) * 1000000)::bigint, to_json(entry.actor),
    to_json(entry.action), to_json(entry.subject), coalesce(to_json(entry.tenant_id), 'null'),
    entry.detail, to_json(entry.came_from)), 'UTF8')), 'hex')
$$;

-- Deferred to the end of the transaction, when it takes no further lock: so that transactions wait
-- for one another in one order only. Each statement sees what was committed before it.
create function chain_audit() returns trigger language plpgsql as $$
declare
  last audit_chain;
begin
  perform pg_advisory_xact_lock(hashtext('audit.chain'));
  select * into last from audit_chain order by seq desc limit 1;
  insert into audit_chain (seq, audit_id, hash)
  values (coalesce(last.seq, 0) + 1, new.id, audit_hash(coalesce(last.hash, ''), new));
  return null;
end $$;

-- Rows of before are linked as they are found.
do $$
declare
  entry audit_log;
  number bigint := 0;
  link text := '';
begin
  for entry in select * from audit_log order by id loop
    number := number + 1;
    link := audit_hash(link, entry);
    insert into audit_chain (seq, audit_id, hash) values (number, entry.id, link);
  end loop;
end $$;

create constraint trigger audit_log_chain after insert on audit_log
  deferrable initially deferred for each row execute function chain_audit();

-- How far each target that the log is sent to has got; links up to here have been sent.
create table audit_targets (
  target text primary key,
  seq bigint not null
);
