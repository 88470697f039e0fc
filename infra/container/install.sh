#!/bin/sh
# install.sh SOURCE EXTRAS: builds the wheel from the source and installs it with these extras into /opt/emailproxy, without pip.
set -eu
source=$1 extras=$2

python3 -m venv /build
/build/bin/pip wheel --quiet --no-input --disable-pip-version-check --no-deps --wheel-dir /wheels "$source"
wheel=$(echo /wheels/emailproxy_cloud-*.whl)

python3 -m venv --without-pip /opt/emailproxy
/build/bin/pip --python /opt/emailproxy/bin/python install --quiet --no-input --no-compile --disable-pip-version-check \
  "emailproxy-cloud[$extras] @ file://$wheel"
install -D -m 0644 -t /opt/emailproxy/share/emailproxy "$source/infra/container/livez.py"
# What only a person at a shell would use.
rm -rf /opt/emailproxy/bin/activate* /opt/emailproxy/bin/Activate* /opt/emailproxy/include
