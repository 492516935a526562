#!/bin/sh
# Points apt at the mirror given as the first argument (its security archive: the same address
# with `-security`), and at the company's CA when the image carries one.
set -eu
ca=/usr/local/share/sandbox/ca.crt
if [ -f "$ca" ]; then
    mkdir -p /etc/apt/apt.conf.d
    echo "Acquire::https::CaInfo \"$ca\";" > /etc/apt/apt.conf.d/90sandbox-ca
fi
[ $# -eq 0 ] && exit 0
mirror=${1%/}
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
    [ -f "$file" ] || continue
    sed -E -i \
        -e "s#https?://[^ ]*/debian-security/?( |\$)#$mirror-security\1#" \
        -e "s#https?://[^ ]*/debian/?( |\$)#$mirror\1#" "$file"
done
