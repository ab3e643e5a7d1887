-- Lines given up because their batch was cancelled or ran out of its window have an end but have not
-- failed; tries that an engine failed with outlive a restart.
alter table batch_lines drop constraint batch_lines_outcome_check;
alter table batch_lines add constraint batch_lines_outcome_check
  check (outcome in ('completed', 'failed', 'given_up'));

create table batch_line_tries (
  batch_id text collate "C" not null references batches on delete cascade,
  line int not null,
  tries int not null,
  primary key (batch_id, line)
);
