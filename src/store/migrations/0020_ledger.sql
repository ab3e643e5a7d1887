-- The ledger. An intent says who wants what before a call, a settlement what became of it; both
-- are only ever added to. Identifiers begin with their time, so the tables can later be split into
-- partitions by ranges of request_id with their primary keys as they are.

create table ledger_intents (
  request_id text collate "C" primary key,
  tenant_id text collate "C" not null,
  project_id text collate "C" not null,
  key_id text collate "C" not null,
  end_user text,
  model text not null,
  endpoint text not null,
  service_class text not null,
  estimated_input_tokens int not null check (estimated_input_tokens >= 0),
  output_tokens_max int not null check (output_tokens_max >= 0),
  arrived_at timestamptz not null
);
create index ledger_intents_by_tenant on ledger_intents (tenant_id, request_id);
create index ledger_intents_by_key on ledger_intents (key_id, request_id);

-- Whom a settlement belongs to is copied from its intent by the statement that writes it, so that
-- sums over a period read one table.
create table ledger_settlements (
  request_id text collate "C" primary key,
  tenant_id text collate "C" not null,
  project_id text collate "C" not null,
  key_id text collate "C" not null,
  model text not null,
  service_class text not null,
  served_class text not null,
  engine_id text collate "C",
  settlement_group text not null check (settlement_group in ('finished', 'cut', 'recovered')),
  end_reason text not null,
  estimated boolean not null,
  input_tokens int not null check (input_tokens >= 0),
  cached_tokens int not null check (cached_tokens >= 0),
  output_tokens int not null check (output_tokens >= 0),
  queue_ms int not null check (queue_ms >= 0),
  engine_ms int not null check (engine_ms >= 0),
  ttft_ms double precision check (ttft_ms >= 0),
  token_gap_ms double precision check (token_gap_ms >= 0),
  settled_at timestamptz not null
);
create index ledger_settlements_by_time on ledger_settlements (settled_at);
create index ledger_settlements_by_tenant on ledger_settlements (tenant_id, settled_at);

-- Working state: one row per intent that has no settlement yet, with its last durable progress.
-- Written with the intent and removed with the settlement, each in one statement.
create table ledger_open (
  request_id text collate "C" primary key,
  engine_id text collate "C",
  served_class text,
  input_tokens int not null default 0,
  cached_tokens int not null default 0,
  output_tokens int not null default 0,
  queue_ms int not null default 0,
  engine_ms int not null default 0,
  ttft_ms double precision
) with (
  fillfactor = 50,
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_cost_delay = 0,
  autovacuum_analyze_scale_factor = 0,
  autovacuum_analyze_threshold = 50000
);

create function ledger_refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only: % is refused', tg_table_name, tg_op
    using errcode = 'restrict_violation',
          hint = 'A correction is a new row.';
end
$$;

create trigger ledger_intents_append_only
  before update or delete or truncate on ledger_intents
  for each statement execute function ledger_refuse_change();

create trigger ledger_settlements_append_only
  before update or delete or truncate on ledger_settlements
  for each statement execute function ledger_refuse_change();
