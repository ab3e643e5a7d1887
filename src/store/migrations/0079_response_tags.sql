-- The tags that a response in the background chose targets by.

alter table responses add column tags jsonb not null default '[]';
