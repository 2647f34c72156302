#!/bin/sh
# For the database's container: run once, when its folder is made.
set -eu
exec psql --username postgres --dbname postgres \
    --set owner_password="$OWNER_PASSWORD" --set app_password="$APP_PASSWORD" --file /roles.sql
