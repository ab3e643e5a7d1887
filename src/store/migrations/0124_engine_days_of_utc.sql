-- Where the server's time zone has summer time, days of engines were summed up from an hour off. They
-- are summed up anew.
delete from engine_days where day_at <> date_bin('1 day', day_at, 'epoch');
