#!/bin/sh
# Installs packages into /opt/venv while an image is built. Arguments are those of `pip install`.
set -eu
ca=/usr/local/share/sandbox/ca.crt
[ -f "$ca" ] && export PIP_CERT="$ca"
/opt/venv/bin/python /sandbox/pip.whl/pip install \
    --no-cache-dir --no-compile --only-binary :all: --disable-pip-version-check "$@"
/opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/venv
