#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# usbfs fails below libusb, call by call (usbfs_faults.c), and then any call at any time (usbfs_siege.c). The
# simulator's complaints are ignored: a failing host, and not the driver, is their cause.
. "$(dirname "$0")/lib.sh"
programs=$e2e_build/tests/e2e
[ -x "$programs/usbfs_faults" ] || tap_skip_all "usbfs_faults is not built"
e2e_find_sim
export CCID_SIM
if [ -z "$E2E_INSIDE" ]; then
	"$CCID_SIM" run /dev/null -- true 2> /dev/null ||
		tap_skip_all "no private namespaces here (needs root or user namespaces)"
	e2e_tmp=$(mktemp -d) || exit 1
	trap 'rm -rf "$e2e_tmp"' EXIT
	# one plan for both programs; 99: nothing but complaints
	for each in usbfs_faults usbfs_siege; do
		E2E_INSIDE=$each "$CCID_SIM" run "$e2e_dir/readers/$each.sim" -- /bin/sh "$0" 2>&1
		e2e_status=$?
		[ $e2e_status -eq 0 ] || [ $e2e_status -eq 99 ] || echo "not ok - $each ended with status $e2e_status"
	done > "$e2e_tmp/said"
	tap_include cat "$e2e_tmp/said"
	echo "1..$tap_count"
	[ "$tap_failed" -eq 0 ]
	exit
fi
LIBCCID_ifdLogLevel=3
export LIBCCID_ifdLogLevel
exec timeout 900 "$programs/$E2E_INSIDE"
