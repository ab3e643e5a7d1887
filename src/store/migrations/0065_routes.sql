-- Which targets stand behind the model names that clients ask for. A version is all routes at once;
-- what was current before stays, so that going back is a version of its own.

create table route_versions (
  version int primary key check (version > 0),
  at timestamptz not null,
  actor text not null,
  -- What it was made for, or which version it repeats.
  note text not null,
  routes jsonb not null check (jsonb_typeof(routes) = 'array')
);
create trigger route_versions_append_only before update or delete on route_versions
  for each row execute function refuse_change();

create function notify_routes() returns trigger language plpgsql as $$
begin
  perform pg_notify('routes', new.version::text);
  return null;
end $$;
create trigger route_versions_notify after insert on route_versions
  for each row execute function notify_routes();
