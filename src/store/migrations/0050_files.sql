-- Files of tenants: content in encrypted pieces, so that gateways share nothing but the database.

-- One key per tenant with content, itself sealed; it is destroyed with the tenant's last file.
create table content_keys (
  tenant_id text primary key,
  sealed_key bytea not null,
  -- Fingerprint of the key it is sealed with.
  sealed_by text not null,
  -- Content that counts towards the tenant's quota.
  bytes bigint not null default 0 check (bytes >= 0),
  created_at timestamptz not null
);

create table files (
  id text collate "C" primary key,
  tenant_id text not null references content_keys,
  project_id text not null,
  key_id text not null,
  filename text not null,
  purpose text not null,
  -- uploading: content arrives; writing: a batch writes it; ready: complete and visible.
  -- What is being written counts towards the quota once it is ready.
  state text not null check (state in ('uploading', 'writing', 'ready')),
  bytes bigint not null default 0,
  created_at timestamptz not null,
  -- Last piece; an upload without one for long was abandoned.
  touched_at timestamptz not null,
  expires_at timestamptz
);
create index files_project on files (tenant_id, project_id, id) where state = 'ready';
create index files_expiry on files (expires_at) where state = 'ready';
create index files_uploading on files (touched_at) where state = 'uploading';

create table file_chunks (
  file_id text collate "C" not null references files on delete cascade,
  -- Position of its first byte in the file.
  first_byte bigint not null,
  bytes int not null check (bytes > 0),
  -- Nonce, tag and cipher text, at most 1 MiB together.
  content bytea not null,
  primary key (file_id, first_byte)
);
-- Cipher text does not compress.
alter table file_chunks alter column content set storage external;
