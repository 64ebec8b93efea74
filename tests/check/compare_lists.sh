#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# tools/compare-lists finds differences, and no installed driver lists a reader that is missing in our list. TAP.
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
tool=$top_srcdir/tools/compare-lists
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
count=0 failed=0

check() {
	local name=$1
	shift
	count=$((count + 1))
	if "$@"; then
		echo "ok $count - $name"
	else
		failed=$((failed + 1))
		echo "not ok $count - $name"
		sed 's/^/# /' "$work/out"
	fi
}

# all_arrays ID NAME...: compares with a list of these readers. The tool reads only three arrays.
all_arrays() {
	local key i j

	for key in ifdVendorID ifdProductID ifdFriendlyName; do
		printf '<key>%s</key><array><!-- <string>not this</string> -->\n' $key
		for ((i = 1; i < $#; i += 2)); do
			j=$((i + 1))
			case $key in
			ifdVendorID) printf '<string>0x%s</string>\n' "${!i%:*}" ;;
			ifdProductID) printf '<string>0x%s</string>\n' "${!i#*:}" ;;
			*) printf '<string>%s</string>\n' "${!j}" ;;
			esac
		done
		echo "</array>"
	done >"$work/plist"
	sh "$tool" "$work/plist" >"$work/out" 2>&1
	status=$?
}

ended() { [ "$status" = "$1" ]; }

all_arrays 08E6:3437 "Gemalto PC Twin Reader" 072F:90CC "ACS ACR100"
check "equal lists: exit code 0" ended 0
check "equal lists: no output, also for other names of a reader" [ ! -s "$work/out" ]
all_arrays F1F1:0001 "A &amp; B" 08e6:3437 "Other"
check "a missing reader: exit code 1" ended 1
check "a missing reader is named" grep -qx "missing f1f1:0001:A & B" "$work/out"
check "a name that differs is shown" grep -qx "name 08e6:3437:Other (here: Gemalto PC Twin Reader)" "$work/out"
echo "<plist/>" >"$work/plist"
sh "$tool" "$work/plist" >"$work/out" 2>&1
status=$?
check "a file that is not a list: exit code 2" ended 2
sh "$tool" /nonexistent >"$work/out" 2>&1
status=$?
check "no such file: exit code 2" ended 2
drop=$(pkg-config --variable=usbdropdir libpcsclite 2>/dev/null)
for package in ifd-ccid ifd-acsccid; do
	other=${drop:-/usr/lib/pcsc/drivers}/$package.bundle/Contents/Info.plist
	case $package in ifd-ccid) name=libccid ;; *) name=libacsccid1 ;; esac
	if [ ! -r "$other" ] || grep -q "The ifd-ccid developers" "$other"; then
		count=$((count + 1))
		echo "ok $count - every reader of $name is listed # SKIP $name is not installed"
		continue
	fi
	sh "$tool" "$other" >"$work/all" 2>&1
	status=$?
	grep '^missing' "$work/all" >"$work/out"
	# Five readers of acsccid do not speak CCID.
	grep -v '^missing 072f:\(9000\|90cf\|0101\|9006\|90ce\):' "$work/out" >"$work/left"
	mv "$work/left" "$work/out"
	check "every reader of $name is listed" [ "$status" != 2 -a ! -s "$work/out" ]
	sed 's/^/# /' "$work/all"
done
echo "1..$count"
[ "$failed" = 0 ] && [ "$count" -gt 0 ]
