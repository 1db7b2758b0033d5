#!/bin/bash
# Run once, when the cluster is new: a role and a database for every service, and one for the vault.
# A role owns its database and may connect to no other.
set -euo pipefail

while read -r database role; do
  psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" \
    --dbname postgres --set database="$database" --set role="$role" \
    --set password="$(cat "/run/bihuan/$role.password")" <<'SQL'
create role :"role" login password :'password';
create database :"database" owner :"role";
revoke all on database :"database" from public;
SQL
done <<'END'
bihuan_intake intake
bihuan_vault vault
bihuan_routing routing
bihuan_sla_watch sla_watch
bihuan_escalation escalation
bihuan_feedback_survey feedback_survey
bihuan_audit audit
END
psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" \
  --dbname postgres --command 'revoke connect on database postgres, template1 from public'
