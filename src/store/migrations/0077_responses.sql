-- Responses that are kept: conversations that go on from them, and work in the background.

-- How long; 0: none are kept.
alter table tenants
  add column response_days int not null default 0 check (response_days between 0 and 3650);

create table responses (
  id text collate "C" primary key,
  tenant_id text not null references content_keys,
  project_id text collate "C" not null,
  key_id text not null,
  -- The response that it goes on from.
  previous_id text collate "C",
  status text not null check (status in
    ('queued', 'in_progress', 'completed', 'incomplete', 'failed', 'cancelled')),
  is_background boolean not null,
  -- Of its content, as it counts towards the tenant's quota.
  bytes bigint not null check (bytes >= 0),
  created_at timestamptz not null,
  -- Null while it waits or runs in the background.
  ended_at timestamptz,
  -- Of those in the background: how they are to run, and how often engines have failed with them.
  service_class text,
  end_user text,
  session_id text,
  tries int not null default 0,
  -- The request whose answer this is and what its usage says, which it is charged with should a
  -- crash come between the two.
  request_id text collate "C",
  input_tokens int,
  cached_tokens int,
  output_tokens int
);
create index responses_age on responses (tenant_id, created_at);
create index responses_unended on responses (tenant_id, id) where ended_at is null;
create index responses_by_request on responses (request_id) where request_id is not null;

create table response_chunks (
  response_id text collate "C" not null references responses on delete cascade,
  part text not null check (part in ('request', 'answer')),
  -- Position of its first byte in the part.
  first_byte int not null,
  -- Nonce, tag and cipher text, at most 1 MiB together.
  content bytea not null,
  primary key (response_id, part, first_byte)
);
-- Cipher text does not compress.
alter table response_chunks alter column content set storage external;
