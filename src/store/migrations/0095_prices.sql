-- The price book: what work is charged from a moment on. A row is one version of one price; a new
-- price, or the end of one, is a new row. Amounts are nanos of the currency, of tokens by the
-- million.

create table prices (
  version int primary key check (version > 0),
  -- A model or route; '*' is any. Of class and plan, null is any.
  model text not null,
  service_class text,
  plan text,
  effective_at timestamptz not null,
  -- True where it is the end of the price before, so that a less particular one holds.
  ends boolean not null,
  currency text not null,
  input_nanos int8 not null check (input_nanos >= 0),
  cached_input_nanos int8 not null check (cached_input_nanos >= 0),
  cache_write_nanos int8 not null check (cache_write_nanos >= 0),
  output_nanos int8 not null check (output_nanos >= 0),
  reasoning_nanos int8 not null check (reasoning_nanos >= 0),
  embedding_nanos int8 not null check (embedding_nanos >= 0),
  request_nanos int8 not null check (request_nanos >= 0),
  engine_second_nanos int8 not null check (engine_second_nanos >= 0),
  hit_millionths int not null check (hit_millionths between 0 and 1000000),
  note text not null,
  actor text not null,
  at timestamptz not null
);
create trigger prices_append_only before update or delete on prices
  for each row execute function refuse_change();

create function notify_prices() returns trigger language plpgsql as $$
begin
  perform pg_notify('prices', '');
  return null;
end $$;
create trigger prices_notify after insert on prices
  for each statement execute function notify_prices();

-- Which prices a tenant has; null: those for everybody.
alter table tenants add column price_plan text;

-- What was charged, by which price, and the tokens of it that have prices of their own. Null: there
-- was no price. Of kinds of tokens: none were told apart.
alter table ledger_settlements
  add column charge_nanos int8 check (charge_nanos >= 0),
  add column price_version int,
  add column cache_write_tokens int,
  add column reasoning_tokens int,
  add check ((charge_nanos is null) = (price_version is null));
