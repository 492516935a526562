#!/bin/sh
# Makes the cluster at /lab and takes away what a lab must not or need not have.
set -eu
bin=/usr/lib/postgresql/15/bin
lib=/usr/lib/postgresql/15/lib
as_lab() { setpriv --reuid=10002 --regid=10002 --clear-groups env LC_ALL=C.UTF-8 "$@"; }

# Everything that an extension could load: only the language of DO blocks, text search and the
# encodings stay. This takes dblink and all foreign data wrappers, so nothing connects outward.
find "$lib" -maxdepth 1 -name '*.so' ! -name plpgsql.so ! -name dict_snowball.so \
    ! -name '*_and_*.so' -delete
find /usr/share/postgresql/15/extension -type f ! -name 'plpgsql*' -delete
# The compiler of queries (jit is off) and Perl's modules serve nothing here.
rm -rf "$lib/bitcode" "$lib"/*.bc "$lib/pgxs" /usr/lib/llvm-* /usr/lib/*/libLLVM-*.so* \
    /usr/lib/*/libz3.so* /usr/share/perl /usr/lib/*/perl

install -d -m 0700 -o 10002 -g 10002 /lab
# Small log segments: a lab starts with 2 MB of them instead of 32.
as_lab "$bin/initdb" -D /lab -U postgres -E UTF8 --locale=C.UTF-8 --data-checksums \
    --auth=reject --wal-segsize=1 --no-instructions > /dev/null
install -m 0600 -o 10002 -g 10002 /build/postgresql.conf /build/pg_hba.conf /build/pg_ident.conf /lab/
cd /lab
# Only the socket: a build may share the network of a machine that has a server of its own.
as_lab "$bin/pg_ctl" -D /lab -w -s -o "-c listen_addresses=''" start
as_lab "$bin/psql" -X -q -v ON_ERROR_STOP=1 -h /tmp -U postgres -d postgres -f /build/setup.sql
as_lab "$bin/psql" -X -q -v ON_ERROR_STOP=1 -h /tmp -U postgres -d lab \
    -c 'DROP DATABASE postgres' -c 'CHECKPOINT'
as_lab "$bin/pg_ctl" -D /lab -w -s -m fast stop
# One empty log segment: every lab starts as a copy of what is here.
as_lab "$bin/pg_resetwal" -D /lab > /dev/null
rm -f /lab/postmaster.opts
