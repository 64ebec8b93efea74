#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What udev itself makes of the rules, on simulated devices.
. "$(dirname "$0")/lib.sh"
command -v udevadm > /dev/null || tap_skip_all "udevadm is not installed"
e2e_enter "$e2e_dir/readers/udev.sim" "$0" "$@"

rules=92_pcscd_ccid.rules
mkdir -p /run/udev/rules.d
cp "$e2e_build/readers/$rules" /run/udev/rules.d/
: > /run/udev/rules.d/92-libccid.rules	# the classic driver's, where it is installed

# udev_test ID: all that udev says of the device
udev_test()
{
	for d in /sys/bus/usb/devices/*; do
		[ "$(cat "$d/idVendor" 2> /dev/null):$(cat "$d/idProduct" 2> /dev/null)" = "$1" ] || continue
		udevadm test "$(readlink -f "$d")" 2>&1
	done
}
# udev_says ID: what the rules do to the device, without what other rules do
udev_says() { udev_test "$1" | grep "$rules:[0-9]* " | sed 's/.*rules:[0-9]* //'; }
# the_group NUMBER|"": the system has the group pcscd, or has none
the_group()
{
	grep -v '^pcscd:' /etc/group > "$e2e_tmp/group$1"
	[ -z "$1" ] || echo "pcscd:x:$1:" >> "$e2e_tmp/group$1"
	mount --bind "$e2e_tmp/group$1" /etc/group
}

is_reader() { echo "$1" | grep -q '^MODE 0660' && echo "$1" | grep -qx 'GROUP 4711' && echo "$1" | grep -q "power/persist' writing '0'"; }
may_sleep() { echo "$1" | grep -q "power/control' writing 'auto'"; }
not() { ! "$@"; }

the_group 4711
if udevadm verify --help > /dev/null 2>&1; then
	tap_check "udevadm verify accepts the rules" udevadm verify "/run/udev/rules.d/$rules"
else
	tap_check "udevadm reads the rules without complaint" not sh -c \
		"udevadm test /sys/bus/usb/devices/usb1 2>&1 | grep '$rules:[0-9]*'"
fi
for pair in "08e6:3437 CCID" "23a0:0002 ICCD version A" "08e6:1227 ICCD version B" "04e6:5291 class ff by its id"; do
	id=${pair%% *}
	said=$(udev_says "$id")
	tap_check "${pair#* }: group, mode, persist" is_reader "$said"
	tap_check "${pair#* }: may be suspended" may_sleep "$said"
done
said=$(udev_says 0783:0003)
tap_check "a reader that must not sleep: group, mode, persist" is_reader "$said"
tap_check "a reader that must not sleep: is not suspended" not may_sleep "$said"
said=$(udev_says f1f1:0001)
tap_check "a device that is no listed reader is left alone" test -z "$said"

# What the Kobil stick is to be told nobody but the administrator says.
runs() { udev_test 0d46:4081 | grep -o "^run: '.*Kobil_mIDentity_switch.*"; }
tap_check "Kobil mIDentity: nothing is sent to it by itself" test -z "$(runs)"
echo 'ATTR{idVendor}=="0d46", ENV{KOBIL_MIDENTITY_REQUEST}="21:09:0200:0001:04"' > /run/udev/rules.d/90-kobil.rules
tap_check "Kobil mIDentity: the administrator's request is sent" eval \
	"runs | grep -q 'Kobil_mIDentity_switch -r 21:09:0200:0001:04.\$'"

the_group ""
said=$(udev_says 08e6:3437)
tap_check "without the group pcscd: udev says so" eval 'echo "$said" | grep -q "^Unknown group .pcscd"'
# 4294967295: the owner stays as the kernel made it, root.
tap_check "without the group pcscd: root alone may open the reader" eval \
	'! echo "$said" | grep "^GROUP" | grep -qvx "GROUP 4294967295" && echo "$said" | grep -q "^MODE 0660"'
tap_plan
