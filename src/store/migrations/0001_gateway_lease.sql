-- Who schedules on this database: one row, written by whoever holds the advisory lock.
create table gateway_lease (
  only_row boolean primary key default true check (only_row),
  host text not null,
  pid int not null,
  url text not null,
  since timestamptz not null
);
