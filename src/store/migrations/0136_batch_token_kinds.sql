-- Tokens of batches that have prices of their own; null where nobody said.
alter table batches add column reasoning_tokens bigint not null default 0;
alter table batch_lines add column cache_write_tokens int;
alter table batch_lines add column reasoning_tokens int;
