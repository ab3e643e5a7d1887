-- Engines that answer the gateway, so that each knows whether others reach what it does not.
alter table gateways add column reach int not null default 0 check (reach >= 0);
