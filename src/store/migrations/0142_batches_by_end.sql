-- For forgetting batches that ended long ago without looking through the others.
create index batches_by_end on batches (ended_at) where ended_at is not null;
