-- Engines that stand behind one name: each address that it has is one of its own.

alter table engines add column replicas boolean not null default false;
