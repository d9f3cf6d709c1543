#!/bin/sh
# After unpacking, by dpkg and rpm, first install and upgrade. $DPKG_ROOT is where dpkg --root installs to; elsewhere it is empty.
set -e

if [ "${1:-}" = configure ] || [ "${1:-0}" -ge 1 ] 2>/dev/null; then
	if command -v systemd-sysusers >/dev/null; then
		systemd-sysusers --root="${DPKG_ROOT:-}/" leadfloor.conf
	elif ! getent passwd leadfloor >/dev/null; then
		adduser --system --group --quiet --no-create-home --home /nonexistent leadfloor
	fi
	# The daemon may read its configuration and its secrets, and write neither.
	group=$(sed -n 's/^leadfloor:[^:]*:\([0-9]*\):.*/\1/p' "${DPKG_ROOT:-}/etc/group")
	chown "0:$group" "${DPKG_ROOT:-}/etc/leadfloor"
	if [ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
		systemctl daemon-reload
		# After an upgrade what runs is the new one; what was stopped stays so, and nothing is started before it is configured.
		systemctl try-restart leadfloor.service
	fi
fi
