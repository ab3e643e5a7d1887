-- People and groups as the directory provisions them over SCIM.

alter table people
  -- Its own names for them; null where it has not told of them.
  add column user_name text,
  add column external_id text;
create unique index people_user_name on people (lower(user_name)) where user_name is not null;

create table directory_groups (
  id text primary key,
  display_name text not null,
  external_id text,
  created_at timestamptz not null,
  updated_at timestamptz not null
);
create unique index directory_groups_name on directory_groups (lower(display_name));

create table directory_members (
  group_id text not null references directory_groups on delete cascade,
  person_id text not null references people on delete cascade,
  primary key (group_id, person_id)
);
create index directory_members_person on directory_members (person_id);
create trigger directory_members_notify after insert or delete on directory_members
  for each statement execute function notify_tokens();
