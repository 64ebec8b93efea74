#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Prints the tests that this build leaves out as skipped cases, so that the count includes them.
# LEFT_OUT: words REASON:TEST.
declare -A why=(
	[cmocka]="cmocka is not installed (package libcmocka-dev)"
	[python3]="python3 is not installed"
	[objcopy]="objcopy is not installed (package binutils)"
	[libusb]="built with --disable-libusb"
)
n=0

# shellcheck disable=SC2153 # from the environment
for word in $LEFT_OUT; do
	echo "ok $((++n)) - ${word#*:} # SKIP ${why[${word%%:*}]}"
done
if [ "$n" = 0 ]; then
	echo "ok $((++n)) - this build leaves no test out"
fi
echo "1..$n"
