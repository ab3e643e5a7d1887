-- People whom a directory knows, by OpenID Connect, and the rules by which its groups give them
-- role and tenants.

alter table people
  -- local: invited here, with a password; directory: signs in there, and rules decide.
  add column origin text not null default 'local' check (origin in ('local', 'directory')),
  -- What the provider said at the last sign-in, an array of names; of people of the directory only.
  add column groups jsonb not null default '[]',
  -- no_rule: no rule fits any group; deactivated: the directory says so. Neither may sign in.
  add column state text not null default 'active'
    check (state in ('active', 'deactivated', 'no_rule')),
  -- The owner who may use a password though passwords are switched off.
  add column is_break_glass boolean not null default false
    check (not is_break_glass or (role = 'owner' and origin = 'local'));
create unique index people_break_glass on people ((true)) where is_break_glass;

update people set is_break_glass = true where id = (
  select p.id from people p
  where p.role = 'owner' and exists (
    select 1 from people_accounts a where a.user_id = p.id and a.password is not null)
  order by p.created_at limit 1);

-- In order: the first that fits decides on the role.
create table access_rules (
  position int primary key,
  group_name text not null,
  role text not null check (role in ('owner', 'operator', 'member', 'viewer', 'finance')),
  -- An array of ids; what empty means depends on the role, as for people.
  tenant_ids jsonb not null
);
