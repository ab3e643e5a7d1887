-- People who sign in. The first four tables have the layout that the login library (better-auth)
-- expects, under our names; role and tenants are ours.

create table people (
  id text primary key,
  name text not null,
  email text not null unique check (email = lower(email)),
  email_verified boolean not null default false,
  image text,
  role text not null default 'viewer'
    check (role in ('owner', 'operator', 'member', 'viewer', 'finance')),
  -- Tenants within reach, an array of ids; what empty means depends on the role.
  tenant_ids jsonb not null default '[]',
  created_at timestamptz not null,
  updated_at timestamptz not null
);

create table people_sessions (
  id text primary key,
  user_id text not null references people on delete cascade,
  token text not null unique,
  expires_at timestamptz not null,
  ip_address text,
  user_agent text,
  created_at timestamptz not null,
  updated_at timestamptz not null
);
create index people_sessions_user on people_sessions (user_id);

create table people_accounts (
  id text primary key,
  user_id text not null references people on delete cascade,
  account_id text not null,
  provider_id text not null,
  access_token text,
  refresh_token text,
  id_token text,
  access_token_expires_at timestamptz,
  refresh_token_expires_at timestamptz,
  scope text,
  password text,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  unique (provider_id, account_id)
);
create index people_accounts_user on people_accounts (user_id);

create table people_verifications (
  id text primary key,
  identifier text not null,
  value text not null,
  expires_at timestamptz not null,
  created_at timestamptz not null,
  updated_at timestamptz not null
);
create index people_verifications_identifier on people_verifications (identifier);

-- Links that make an owner or let an invited person set a password; each works once.
create table one_time_links (
  token_sha256 text primary key,
  -- null: makes an owner
  person_id text references people on delete cascade,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz
);
