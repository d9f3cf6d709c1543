#!/bin/sh
# Makes the secrets of the composition that are not there yet. The folder is closed to others; the files in it are not, because each
# container reads its own as a user of its own.
set -eu
cd "$(dirname "$0")"
mkdir -p -m 0700 secrets
for name in redis.password admin.token imap.password smtp.password heartbeat.token grafana.password; do
	[ -s "secrets/$name" ] || head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' >"secrets/$name"
	chmod 0444 "secrets/$name"
done
