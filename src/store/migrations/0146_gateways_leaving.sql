-- A gateway that shuts down says so at once: what others would hand to it goes elsewhere.
alter table gateways add column is_leaving boolean not null default false;
