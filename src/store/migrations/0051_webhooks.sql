-- Where tenants are told that their batches have ended, and what they were told.

create table webhooks (
  tenant_id text primary key,
  url text not null,
  -- What deliveries are signed with, sealed like the keys of content.
  sealed_secret bytea not null,
  created_at timestamptz not null
);

create table webhook_deliveries (
  -- Of the event; receivers tell a repetition by it.
  id text collate "C" primary key,
  tenant_id text not null,
  type text not null,
  body text not null,
  state text not null default 'due' check (state in ('due', 'delivered', 'failed')),
  attempts int not null default 0,
  -- While it is being sent: when another attempt may be made should this gateway be gone.
  next_at timestamptz not null,
  -- Why the last attempt failed.
  reason text,
  created_at timestamptz not null,
  ended_at timestamptz
);
create index webhook_deliveries_due on webhook_deliveries (next_at) where state = 'due';
create index webhook_deliveries_tenant on webhook_deliveries (tenant_id, id);
create index webhook_deliveries_ended on webhook_deliveries (ended_at) where state <> 'due';
