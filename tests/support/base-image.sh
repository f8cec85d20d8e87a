#!/bin/sh
# Makes a stand-in for python:3.11-slim where no image can be pulled: Debian 12's own Python.
#   tests/support/base-image.sh [TAG]      (root, debootstrap, a Docker engine; about 45 s)
set -eu
tag=${1:-python:3.11-slim}
docker=${DOCKER:-docker}
if "$docker" image inspect "$tag" >/dev/null 2>&1; then exit 0; fi
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
debootstrap --variant=minbase --include=python3,python3-venv,python3-pip,ca-certificates \
    bookworm "$root" >/dev/null
ln -s /usr/bin/python3 "$root/usr/local/bin/python"
# Networks that re-sign TLS, as companies' do: the host's certificates go along.
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
tar -C "$root" -c . | "$docker" import \
    --change 'ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt' \
    --change 'ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt' \
    - "$tag" >/dev/null
