#!/bin/sh
# Makes the secrets of compose.yaml, once; what is there stays.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir -p secrets
random() { head -c 32 /dev/urandom | base64 | tr -d '\n'; }
for name in content-key secret-key; do
  [ -e "secrets/$name" ] || random > "secrets/$name"
done
[ -e secrets/postgres-password ] || random | tr '+/=' '-_.' > secrets/postgres-password
[ -e secrets/database-url ] ||
  printf 'postgresql://gristmill:%s@postgres/gristmill' "$(cat secrets/postgres-password)" > secrets/database-url
# The image's user reads them; compose mounts files as they are.
chmod 644 secrets/content-key secrets/secret-key secrets/database-url secrets/postgres-password
