#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Inside the virtual machine, started by its systemd: pcscd, started by its package's unit, with the tested driver in
# place of libccid, and readers over USB/IP; the units of doc/recipes.md. Results go to the second serial line.

# shellcheck source=/dev/null # made by run.sh: top, build, modules, release, tests
. "$1"
here=$top/tests/kernel
run=/run/kernel
drop=/usr/lib/pcsc/drivers
CCID_SIM=$here/sim
CCID_SIM_TABLE=$top/readers/reader_descriptors.tsv
CCID_SIM_SOCKET=$run/socket
LC_ALL=C.UTF-8
PYTHONDONTWRITEBYTECODE=1
PYTHONPATH=$top/tests/e2e
export CCID_SIM CCID_SIM_TABLE CCID_SIM_SOCKET LC_ALL PYTHONDONTWRITEBYTECODE PYTHONPATH run top build
# shellcheck source=tests/kernel/readers.sh
. "$here/readers.sh"

stty -F /dev/ttyS1 raw -echo 115200
exec > /dev/ttyS1 2>&1
echo "# Linux $(uname -r), $(systemctl --version | head -n 1), $(pcscd --version | head -n 1), up since $(uptime_of) s"
mkdir -p $run
mkdir -p /lib/modules
ln -s "$modules" "/lib/modules/$release"
rm -rf $drop/ifd-ccid.bundle /usr/lib/udev/rules.d/*ccid*.rules
cp -RL "$build/ifd-ccid.bundle" $drop/
mkdir -p $drop/serial /etc/reader.conf.d
cp "$build/.libs/libccid-class.so" $drop/serial/
sed "s,^\(LIBPATH[^/]*\).*,\1$drop/serial/libccid-class.so," "$build/readers/libccid-class" > /etc/reader.conf.d/libccid-class
mkdir -p /run/udev/rules.d
cp "$build/readers/92_pcscd_ccid.rules" "$build/readers/93_pcscd_ccid_rescan.rules" /run/udev/rules.d/
udevadm control --reload
modprobe vhci-hcd || echo "not ok - vhci-hcd loads"
ip link set lo up 2> /dev/null
# There is no polkitd in this root.
echo 'PCSCD_ARGS="--disable-polkit --debug"' > /etc/default/pcscd

# Each part is a separate process because of pcsc-lite 2.5 (doc/pcsclite-client.md).
part()
{
	echo "# == $* at $(uptime_of) s"
	python3 -u "$here/$1" "$2" 2>&1 || { echo "not ok - $1 has finished"; touch $run/failed; }
}

# shellcheck disable=SC2154 # of the configuration
for each in $tests; do
	echo "# part $each"
	if [ "$each" = recipe ]; then
		part recipe.py
	elif with_readers "$here/kernel.sim"; then
		part unit.py "$each"
		without_readers
	else
		echo "not ok - the readers are plugged in"
	fi
done
journalctl -b -u pcscd.service -o cat --no-pager > $run/journal
grep -q 'ifd-ccid [0-9.]* drives' $run/journal && echo "ok - the journal names the readers that the driver opened" ||
	echo "not ok - the journal names the readers that the driver opened"
[ ! -e $run/failed ] || { systemctl status --no-pager pcscd.socket pcscd.service; tail -n 80 $run/journal; } | sed 's/^/# /'
echo "# at $(uptime_of) s"
echo KERNEL-DONE
sync
sleep 0.2
echo o > /proc/sysrq-trigger
sleep 60
