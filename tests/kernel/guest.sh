#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Inside the virtual machine, as its process 1: udevd, pcscd with the tested bundle, readers over USB/IP. The scripts
# of tests/e2e run unchanged; "sim" plugs, unplugs and resets readers for them.
# Results go to the second serial line, one "ok" or "not ok" a case.

# shellcheck source=/dev/null # made by run.sh: top, build, modules, release, tests
. "$1"
PATH=/usr/sbin:/usr/bin:/sbin:/bin
HOME=/root
LC_ALL=C.UTF-8
PYTHONDONTWRITEBYTECODE=1
export PATH HOME LC_ALL PYTHONDONTWRITEBYTECODE top build
here=$top/tests/kernel
run=/run/kernel
# shellcheck source=tests/kernel/readers.sh
. "$here/readers.sh"
results=/dev/ttyS1

start_system()
{
	mount -t proc proc /proc
	mount -t sysfs sys /sys
	mkdir -p /dev/pts /dev/shm
	mount -t devpts devpts /dev/pts
	mount -t tmpfs run /run
	mkdir -p $run /run/udev/rules.d /run/ccid-sim
	stty -F $results raw -echo 115200
	exec > $results 2>&1
	ip link set lo up
	hostname kernel
	# The host's root has no modules for this kernel; an overlay and links add them.
	mkdir -p /lib/modules
	[ -d "/lib/modules/$release" ] || ln -s "$modules" "/lib/modules/$release"
	# Only the tested rules: the host may have older rules for the same devices.
	rm -f /usr/lib/udev/rules.d/*ccid*.rules /etc/udev/rules.d/*ccid*.rules
	cp "$build/readers/92_pcscd_ccid.rules" /run/udev/rules.d/
	# The group of the rules; pcscd's package creates this group where pcscd does not run as root.
	getent group pcscd > /dev/null || groupadd -r pcscd
	# Rules for disks and consoles only cost time here.
	mkdir -p /etc/udev/rules.d
	for rule in 60-persistent-storage 73-special-net-names 75-net-description 80-net-setup-link 60-sensor; do
		ln -sf /dev/null /etc/udev/rules.d/$rule.rules
	done
	/lib/systemd/systemd-udevd --daemon || echo "not ok - udevd starts"
	modprobe vhci-hcd || echo "not ok - vhci-hcd loads"
	udevadm settle
}

# e2e SCRIPT FILE [ARGUMENT...]: a script of tests/e2e on the readers of FILE; a script that ends before its plan fails.
e2e()
{
	script=$1
	echo "# == $script at $(uptime_of) s"
	with_readers "$top/tests/e2e/readers/$2" || { echo "not ok - $script: its readers"; return; }
	shift 2
	E2E_INSIDE=1 E2E_REQUIRED=1 E2E_LOG_LINES=60 abs_top_srcdir=$top abs_top_builddir=$build \
		sh "$top/tests/e2e/$script" "$@" 2>&1 | tee $run/out |
		sed -u "s,^\(not ok\|ok\) [0-9]* - ,\1 - $script: ,"
	planned=$(sed -n 's/^1\.\.//p' $run/out)
	[ "$(grep -c '^\(not \)\?ok ' $run/out)" = "$planned" ] || echo "not ok - $script: has finished"
	without_readers
	umount "$drop" 2> /dev/null
	rm -rf /run/ccid-sim/e2e /run/pcscd
}

test_readers() { e2e test_readers.sh levels.sim; }
test_apdu() { e2e test_apdu.sh levels.sim; }
# At each level one reader for each protocol: the omitted readers differ only in the card. 64 KiB where that does not
# take minutes.
test_levels()
{
	export E2E_LONGEST
	e2e test_levels.sh every-level.sim tpdu-t1-lrc extended-t1 iccd-b-extended
	E2E_LONGEST=1000
	e2e test_levels.sh every-level.sim tpdu-t0 short-t0 short-t1 extended-t0 extended-64-t1 char-t0 char-t1-crc \
		iccd-a-egate iccd-b-magistra
	unset E2E_LONGEST
}
test_every_level() { e2e test_levels.sh every-level.sim; }
test_card() { e2e test_card.sh single.sim; }
test_slots() { e2e test_slots.sh slots.sim; }
test_hotplug() { e2e test_hotplug.sh single.sim; }
test_reset() { e2e test_reset.sh single.sim; }
test_pin() { e2e test_pin.sh pin.sim; }
test_scdaemon() { e2e test_scdaemon.sh scdaemon.sim; }
# The recorder sees the real transfers of the kernel.
test_record()
{
	e2e test_record.sh record.sim
	e2e test_recorder.sh record.sim
}

# Tests that need a real kernel.
test_kernel()
{
	echo "# == kernel.py at $(uptime_of) s"
	with_readers "$here/kernel.sim" || { echo "not ok - kernel.py: its readers"; return; }
	mkdir -p $run/drop
	rm -rf $run/drop/*
	cp -RL "$build/ifd-ccid.bundle" $run/drop/
	mount --bind $run/drop "$drop"
	{ python3 -u "$here/kernel.py" 2>&1 || echo "not ok 0 - has finished"; } |
		sed -u 's,^\(not ok\|ok\) [0-9]* - ,\1 - kernel.py: ,'
	umount "$drop"
	without_readers
}

# Two servers, 96 slots each.
test_bank()
{
	echo "# == bank.py at $(uptime_of) s"
	{ python3 -u "$here/bank.py" 2>&1 || echo "not ok 0 - has finished"; } |
		sed -u 's,^\(not ok\|ok\) [0-9]* - ,\1 - bank.py: ,'
}

start_system
CCID_SIM=$here/sim
CCID_SIM_TABLE=$top/readers/reader_descriptors.tsv
CCID_SIM_SOCKET=$run/socket
CCID_BUNDLE_DIR=$build/ifd-ccid.bundle
drop=$(pkg-config libpcsclite --variable=usbdropdir 2> /dev/null || echo /usr/lib/pcsc/drivers)
export CCID_SIM CCID_SIM_TABLE CCID_SIM_SOCKET CCID_BUNDLE_DIR PYTHONPATH="$top/tests/e2e" run drop
[ -e "$CCID_SIM_SOCKET" ] && rm "$CCID_SIM_SOCKET"
echo "# Linux $(uname -r), up since $(uptime_of) s"
for each in ${tests:-kernel readers card slots hotplug reset record scdaemon bank levels}; do
	echo "# part $each"
	"test_$each"
done
echo "# at $(uptime_of) s"
echo KERNEL-DONE
sync
sleep 0.2
echo o > /proc/sysrq-trigger
# Process 1 must not end, and no further program can be started.
while :; do :; done
