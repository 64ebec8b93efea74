# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
# Sourced by the scripts that run in the virtual machine: plugs simulated readers into its kernel.

uptime_of() { cut -d' ' -f1 /proc/uptime; }

# with_readers FILE: starts a simulator for FILE, and attaches its plugged readers.
with_readers()
{
	"$build/ccid-sim" usbip -c $run/socket "$1" > $run/sim.log 2>&1 &
	sim_pid=$!
	until grep -q USB/IP $run/sim.log; do
		kill -0 "$sim_pid" 2> /dev/null || { cat $run/sim.log; return 1; }
		sleep 0.05
	done
	"$CCID_SIM" attach-all && return
	without_readers
	return 1
}

without_readers()
{
	kill "$sim_pid"
	wait "$sim_pid"
	# until the kernel has let go of the last one (column "sta": 4 is a free port)
	tries=0
	while awk '$3 ~ /^0/ && $3 != "004"' /sys/devices/platform/vhci_hcd.0/status* | grep -q . && [ $tries -lt 100 ]; do
		tries=$((tries + 1))
		sleep 0.05
	done
	udevadm settle
}
