-- Until when a gateway has an attempt of a delivery to itself; null while nobody makes one. Of a
-- tenant there is one attempt at a time, whichever gateway makes it.
alter table webhook_deliveries add column sending_until timestamptz;
create index webhook_deliveries_sending on webhook_deliveries (tenant_id)
  where sending_until is not null;
