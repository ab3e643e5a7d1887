-- Tokens of responses in the background that have prices of their own, as of lines of batches; null
-- where nobody said.
alter table responses add column cache_write_tokens int;
alter table responses add column reasoning_tokens int;
