-- Who is told how a budget stands, and what they were told. A crossing is one row, whichever of
-- several gateways sees it first; what is told of it is queued in the same transaction.

-- A budget without a row has what is usual: 50, 80 and 100 per cent, on forecast, nobody by e-mail.
create table budget_alert_settings (
  budget_id text collate "C" primary key references budgets,
  -- Arrays, as those of tenants.
  percents jsonb not null,
  on_forecast boolean not null,
  emails jsonb not null
);

create table budget_alerts (
  id text collate "C" primary key,
  budget_id text collate "C" not null references budgets,
  tenant_id text collate "C" not null,
  period_start timestamptz not null,
  -- Per cent of the limit; 0: it will be used up before it renews.
  percent int not null check (percent >= 0),
  -- What was told, as JSON; null where a higher one was passed at the same time.
  told text,
  created_at timestamptz not null,
  unique (budget_id, period_start, percent)
);
create index budget_alerts_tenant on budget_alerts (tenant_id, id) where told is not null;

create table budget_mails (
  alert_id text collate "C" not null references budget_alerts,
  address text not null,
  state text not null default 'due' check (state in ('due', 'delivered', 'failed')),
  attempts int not null default 0,
  -- While it is being sent: when another attempt may be made should this gateway be gone.
  next_at timestamptz not null,
  -- Why the last attempt failed.
  reason text,
  ended_at timestamptz,
  primary key (alert_id, address)
);
create index budget_mails_due on budget_mails (next_at) where state = 'due';
