-- Days, so that a page about months need not read their minutes and hours.

-- How long each engine was there and idle on a day that is over. A minute that is written later takes its day out again.

create table engine_days (
  engine_id text collate "C" not null,
  day_at timestamptz not null,
  registered_us int8 not null check (registered_us >= 0),
  idle_us int8 not null,
  primary key (day_at, engine_id)
);

-- What rented services cost on a day, as far as it is in `usage_hours`.
create table rented_days (
  day_at timestamptz primary key,
  spend_nanos int8 not null
);
insert into rented_days
  select date_bin('1 day', hour, 'epoch'), sum(spend_nanos) from usage_hours
  where rented_target is not null group by 1;
