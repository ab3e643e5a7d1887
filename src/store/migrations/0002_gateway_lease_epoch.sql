-- Grows whenever somebody else takes the right to schedule, so that a transaction can make sure that
-- its gateway still has it, and hold it until it has committed.
alter table gateway_lease add column epoch bigint not null default 0;
