#!/bin/sh
# Ends an image that nothing is installed into any more: names are looked up in /etc/hosts alone
# (a foreign name fails at once instead of waiting for a resolver), and the installer goes.
set -eu
echo 'hosts: files' > /etc/nsswitch.conf.new
grep -v '^hosts:' /etc/nsswitch.conf >> /etc/nsswitch.conf.new || true
mv /etc/nsswitch.conf.new /etc/nsswitch.conf
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /sandbox/pip.whl /sandbox/pip-install /sandbox/seal
