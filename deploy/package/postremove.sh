#!/bin/sh
# After removal. The configuration, the user and the books in Redis stay.
set -e

if [ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
