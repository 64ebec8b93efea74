#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Real udev applies the rules to simulated devices.
. "$(dirname "$0")/lib.sh"
command -v udevadm > /dev/null || tap_skip_all "udevadm is not installed"
e2e_enter "$e2e_dir/readers/udev.sim" "$0" "$@"

rules=92_pcscd_ccid.rules
mkdir -p /run/udev/rules.d
cp "$e2e_build/readers/$rules" "$e2e_build/readers/93_pcscd_ccid_rescan.rules" /run/udev/rules.d/
: > /run/udev/rules.d/92-libccid.rules	# hides the rules of the classic driver, if installed

# udev_test ID: udev's whole report on the device, as JSON if that is supported.
udev_test()
{
	for d in /sys/bus/usb/devices/*; do
		[ "$(cat "$d/idVendor" 2> /dev/null):$(cat "$d/idProduct" 2> /dev/null)" = "$1" ] || continue
		udevadm test $json "$(readlink -f "$d")" 2>&1
	done
}
# udev_says ID: the settings of the device, one a line: "group NUMBER", "mode OCTAL", "persist 0", "control auto".
udev_says()
{
	udev_test "$1" > "$e2e_tmp/udev"
	if [ -n "$json" ]; then
		sed -n 's/^{//p' "$e2e_tmp/udev" | tr '{},' '\n\n\n' | sed -n 's/^"gid":/group /p; s/^"mode":"\([0-7]*\)"$/mode \1/p
			s/^"owner":$//; /^"path":"power\/\(persist\|control\)"$/ { s/.*power.\([a-z]*\)"/\1/; N; s/\n"value":"\(.*\)"/ \1/p }'
	else
		# the text of udev 247 to 257: the effects of this file of rules
		sed -n "s/.*$rules:[0-9]* GROUP /group /p; s/.*$rules:[0-9]* MODE /mode /p
			s/.*$rules:[0-9]* .*power.\(persist\|control\)' writing '\(.*\)'.*/\1 \2/p
			s/.*$rules:[0-9]* .*writing ATTR{.*power.\(persist\|control\)}=\"\(.*\)\".*/\1 \2/p" "$e2e_tmp/udev"
	fi
}
json=
! udevadm test --help 2> /dev/null | grep -q -e --json || json=--json=short
# the_group NUMBER|"": the system has the group pcscd, or has no such group
the_group()
{
	grep -v '^pcscd:' /etc/group > "$e2e_tmp/group$1"
	[ -z "$1" ] || echo "pcscd:x:$1:" >> "$e2e_tmp/group$1"
	mount --bind "$e2e_tmp/group$1" /etc/group
}

has_line() { echo "$1" | grep -qx "$2"; }
is_reader() { has_line "$1" "group 471" && has_line "$1" "persist 0"; }
may_sleep() { has_line "$1" "control auto"; }
not() { ! "$@"; }

# A system group's number: udev 257 gives devices to no other group.
the_group 471
if udevadm verify --help > /dev/null 2>&1; then
	tap_check "udevadm verify accepts the rules" udevadm verify "/run/udev/rules.d/$rules"
else
	tap_check "udevadm reads the rules without an error" not sh -c \
		"udevadm test /sys/bus/usb/devices/usb1 2>&1 | grep '$rules:[0-9]*'"
fi
said=$(udev_says 08e6:3437)
tap_check "CCID: group, persist" is_reader "$said"
tap_check "CCID: may be suspended" may_sleep "$said"
for pair in "23a0:0002 ICCD version A" "08e6:1227 ICCD version B" "04e6:5291 class ff by its id" "046a:00a1 composite"; do
	id=${pair%% *}
	said=$(udev_says "$id")
	tap_check "${pair#* }: group, persist" is_reader "$said"
	tap_check "${pair#* }: is not suspended" not may_sleep "$said"
done
said=$(udev_says 0783:0003)
tap_check "a reader that must not sleep: group, persist" is_reader "$said"
tap_check "a reader that must not sleep: is not suspended" not may_sleep "$said"
said=$(udev_says f1f1:0001)
tap_check "a device that is not a listed reader is left alone" eval '! echo "$said" | grep -e "group 471" -e persist -e "mode 0660"'

# The Kobil stick gets the usual request unless the administrator configures another.
runs() { udev_test 0d46:4081 | grep -o "Kobil_mIDentity_switch[^\"']*" | sort -u; }
tap_check "Kobil mIDentity: is switched" eval "runs | grep -q 'Kobil_mIDentity_switch *\$'"
echo 'ATTR{idVendor}=="0d46", ENV{KOBIL_MIDENTITY_REQUEST}="21:09:0200:0001:04"' > /run/udev/rules.d/90-kobil.rules
tap_check "Kobil mIDentity: the administrator's request is sent" eval \
	"runs | grep -q 'Kobil_mIDentity_switch -r 21:09:0200:0001:04\$'"

# udev asks pcscd to rescan when an unlisted reader is plugged in.
rescans()
{
	for d in /sys/bus/usb/devices/*; do
		[ "$(cat "$d/idVendor" 2> /dev/null):$(cat "$d/idProduct" 2> /dev/null)" = "$1" ] || continue
		udevadm test $json --action="$2" "$(readlink -f "$d:1.0")" 2>&1 | grep -q "pcscd --hotplug"
		return
	done
}
mkdir -p /run/pcscd
tap_check "unlisted, plugged in without a pcscd: no program is started" not rescans f1f1:0002 add
echo 1 > /run/pcscd/pcscd.pid
tap_check "unlisted, plugged in: pcscd is asked to rescan" rescans f1f1:0002 add
tap_check "unlisted, its interface is changed: no rescan" not rescans f1f1:0002 change
tap_check "listed, plugged in: no rescan, as pcscd finds it" not rescans 08e6:3437 add
tap_check "unlisted of class FF, plugged in: no rescan" not rescans f1f1:0001 add
rm /run/pcscd/pcscd.pid

the_group ""
said=$(udev_says 08e6:3437)
tap_check "without the group pcscd: udev says so" grep -q -i "unknown group.*pcscd\|group .pcscd.*unknown group" "$e2e_tmp/udev"
# 4294967295, or no value: the owner stays root, as the kernel set it.
tap_check "without the group pcscd: root alone may open the reader" eval \
	'! echo "$said" | grep "^group" | grep -qvx -e "group 4294967295" -e "group 0"'
tap_plan
