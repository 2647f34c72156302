-- The two roles and the database, for psql as an administrator. Harmless to repeat.
--   psql -v owner_password=… -v app_password=… -f deploy/roles.sql postgres
-- Names may be set too: -v owner=… -v app=… -v database=…
\set ON_ERROR_STOP on
\if :{?owner}
\else
  \set owner ewaste_owner
\endif
\if :{?app}
\else
  \set app ewaste_app
\endif
\if :{?database}
\else
  \set database ewaste
\endif

select format('create role %I login', :'owner') where not exists (select from pg_roles where rolname = :'owner') \gexec
select format('create role %I login', :'app') where not exists (select from pg_roles where rolname = :'app') \gexec
alter role :"owner" password :'owner_password';
alter role :"app" password :'app_password';

-- A builtin collation sorts alike on every machine, so that a restore elsewhere finds its indexes in order.
select format(
  'create database %I owner %I template template0 encoding ''UTF8'' locale ''C.UTF-8''', :'database', :'owner'
) where not exists (select from pg_database where datname = :'database') \gexec

-- The app role connects and uses what the migrations grant. It creates nothing, not even temporary tables.
revoke all on database :"database" from public;
grant connect on database :"database" to :"app";
\connect :"database"
alter schema public owner to :"owner";
revoke all on schema public from public;
grant usage on schema public to :"app";
