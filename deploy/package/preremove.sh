#!/bin/sh
# Before removal. dpkg says remove, rpm 0; on an upgrade the daemon goes on until the new one is there.
set -e

case "${1:-}" in
remove | 0)
	if [ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
		systemctl --no-reload disable --now leadfloor.service
	fi
	;;
esac
