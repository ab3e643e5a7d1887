-- Batches: work with a window of time, from one file of lines into one or two files of answers.
-- A line has a row from the moment its end is stored; whatever has none is still to be done.

create table batches (
  id text collate "C" primary key,
  tenant_id text collate "C" not null,
  project_id text collate "C" not null,
  key_id text collate "C" not null,
  status text not null check (status in ('validating', 'failed', 'in_progress', 'finalizing',
    'completed', 'expired', 'cancelling', 'cancelled')),
  -- Why it does not go on: what lines without an answer are reported with.
  end_code text,
  reason text,
  endpoint text not null,
  model text,
  service_class text not null check (service_class in ('batch', 'flex')),
  completion_window text not null,
  output_expires_after_s int,
  metadata jsonb,
  input_file_id text collate "C" not null,
  output_file_id text collate "C",
  error_file_id text collate "C",
  errors jsonb not null default '[]',
  lines_total int not null default 0,
  lines_completed int not null default 0,
  lines_failed int not null default 0,
  input_tokens bigint not null default 0,
  cached_tokens bigint not null default 0,
  output_tokens bigint not null default 0,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  in_progress_at timestamptz,
  finalizing_at timestamptz,
  cancelling_at timestamptz,
  ended_at timestamptz
);
create index batches_by_project on batches (project_id, id);
create index batches_by_tenant on batches (tenant_id, id);
create index batches_unfinished on batches (id) where ended_at is null;

-- The key makes a second answer to a line impossible. The tokens are what its answer's usage says
-- and what its request is charged with, should a crash come between the two.
create table batch_lines (
  batch_id text collate "C" not null references batches on delete cascade,
  line int not null,
  outcome text not null check (outcome in ('completed', 'failed')),
  request_id text collate "C",
  input_tokens int not null,
  cached_tokens int not null,
  output_tokens int not null,
  primary key (batch_id, line)
);
create index batch_lines_by_request on batch_lines (request_id) where request_id is not null;

-- Requests of batches are charged only with answers that are stored, so they must be known apart.
alter table ledger_intents add column batch_id text collate "C";
