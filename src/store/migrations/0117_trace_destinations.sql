-- Where traces of tenants' requests go besides the operator's collector.

create table trace_destinations (
  tenant_id text primary key,
  url text not null,
  -- Names and values as JSON, sealed like the keys of content.
  sealed_headers bytea not null,
  with_prompts boolean not null default false,
  created_at timestamptz not null,
  changed_at timestamptz not null
);

create function notify_trace_destinations() returns trigger language plpgsql as $$
begin
  perform pg_notify('trace_destinations', '');
  return null;
end $$;
create trigger trace_destinations_notify after insert or update or delete on trace_destinations
  for each statement execute function notify_trace_destinations();
