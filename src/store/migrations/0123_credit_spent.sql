-- What a tenant had spent of its prepaid credit when a row of it was booked: alerts are about parts of
-- what there was when it was last paid in. Null of rows before.
alter table credits add column spent_nanos int8;
