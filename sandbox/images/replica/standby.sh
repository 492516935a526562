#!/bin/sh
# Runs /data/pg as a standby. With a frozen cluster at /seed/pg, /data/pg is first made its clone,
# which shares its blocks on the disk; what was cut off half-way is made anew.
set -eu
if [ -d /seed/pg ] && [ ! -d /data/pg ]; then
    rm -rf /data/new
    cp -a --reflink=always /seed/pg /data/new
    mv /data/new /data/pg
fi
[ -f /data/pg/standby.signal ]
# One server at a time: the lock ends with its last process. The process number that a killed one
# left in its file may be somebody else's in this container.
exec 9> /data/lock
flock -n 9
rm -f /data/pg/postmaster.pid
hba=/data/pg_hba.conf
[ -f "$hba" ] || hba=/sandbox/replica/pg_hba.conf
exec /usr/lib/postgresql/15/bin/postgres -D /data/pg \
    -c config_file=/sandbox/replica/postgresql.conf -c hba_file="$hba"
