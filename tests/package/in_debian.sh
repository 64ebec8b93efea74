#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs in the Debian of debian.sh: the installed pcscd on simulated readers. TAP.
#	in_debian.sh ifd-ccid|libccid
driver=$1
drop=/usr/lib/pcsc/drivers
count=0 failed=0

check() {
	local name=$1
	shift

	count=$((count + 1))
	if "$@"; then
		echo "ok $count - $driver: $name"
	else
		failed=$((failed + 1))
		echo "not ok $count - $driver: $name"
	fi
}

wait_until() {
	local tries

	for ((tries = 0; tries < 500; tries++)); do
		"$@" 2>/dev/null && return
		sleep 0.02
	done
	return 1
}

reader_is_there() {
	timeout 10 pcsc_scan -r 2>/dev/null | grep -q 'RSA SecurID\|RSA RSA SecurID'
}

card_is_there() {
	timeout 10 pcsc_scan -c -n >/tmp/cards 2>/dev/null && grep -q 'ATR: 3B' /tmp/cards
}

# The library that pcscd has mapped is a file of that package.
uses_package() {
	grep -q "$drop/ifd-ccid.bundle/Contents/Linux/libccid.so" "/proc/$pid/maps" &&
		dpkg-query -S $drop/ifd-ccid.bundle/Contents/Linux/libccid.so | grep -q "^$driver:"
}

# A token in the simulator: the card's ECHO returns the code.
gives_code() {
	[ "$(RSA_SecurID_getpasswd -a F06966642D73696D -c 801600000631323334353600)" = 123456 ]
}

refuses_rights() {
	local status

	RSA_SecurID_getpasswd -r nobody 2>/dev/null
	status=$?
	[ $status = 1 ]
}

in_simulator() {
	# shellcheck disable=SC2046 # a word, or none
	pcscd $(pcscd --help 2>&1 | grep -o -e --disable-polkit) --foreground --debug >/tmp/log 2>&1 &
	pid=$!
	check "pcscd shows the reader" wait_until reader_is_there
	check "pcscd shows its card" wait_until card_is_there
	check "pcscd has loaded this package's library" uses_package
	if [ "$driver" = ifd-ccid ]; then
		check "RSA_SecurID_getpasswd shows the code of a simulated token" gives_code
		check "RSA_SecurID_getpasswd refuses an unknown reader" refuses_rights
		check "ccid-parse shows the reader" eval 'ccid-parse 15e1:2007 | grep -q dwFeatures'
	fi
	kill "$pid"
	wait "$pid"
	check "pcscd exits cleanly" [ $? = 0 ]
	[ $failed = 0 ] || sed 's/^/# /' /tmp/log
	echo "$count $failed" >/tmp/count
}

# The installed udev decides which users may open the reader.
rules_apply() {
	local node

	for node in /sys/bus/usb/devices/*; do
		if grep -qs 15e1 "$node/idVendor"; then
			udevadm test --action=add "$(realpath "$node")" >/tmp/udev 2>&1
			grep -q '92_pcscd_ccid.rules.*GROUP' /tmp/udev && return
		fi
	done
	sed 's/^/# /' /tmp/udev
	return 1
}

case $2 in
pcscd)
	in_simulator
	;;
udev)
	check "udev gives the reader to the group pcscd" rules_apply
	echo "$count $failed" >/tmp/count
	;;
*)
	printf 'reader token\n\tfrom = 15e1:2007\n\tcard 0 = t0 classes=ABC\n' >/tmp/token.sim
	for part in pcscd udev; do
		[ "$driver $part" = "libccid udev" ] && continue
		ccid-sim run /tmp/token.sim -- /bin/bash "$0" "$driver" $part
		status=$?
		# 99: the simulator has a complaint about the driver, which counts only for our driver.
		[ $status = 99 ] && [ "$driver" = libccid ] && status=0
		check "$part: the simulator exits cleanly" [ $status = 0 ]
	done
	echo "1..$count"
	;;
esac
exit $((failed > 0))
