#!/bin/sh
# Runs the standby for several sandboxes, and ends statements that run for too long: a login can
# raise its own statement_timeout, and would take from the others.
set -u
longest=${LONGEST:-6 minutes}
/bin/sh /sandbox/replica/standby.sh &
server=$!
trap 'kill -INT "$server" 2> /dev/null' TERM INT
while kill -0 "$server" 2> /dev/null; do
    sleep 5 &
    wait $!
    /usr/lib/postgresql/15/bin/psql -X -q -t -h /tmp -U postgres -d replica > /dev/null 2>&1 <<SQL
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE usename <> 'postgres' AND state <> 'idle' AND now() - xact_start > interval '$longest';
SQL
done
wait "$server"
