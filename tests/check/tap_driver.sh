#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# tap_driver.sh AUTOMAKE'S-TAP-DRIVER ARGUMENT...
# Runs automake's TAP driver and writes the time that the test program took, in seconds, into its .trs file.
# CHECK_PROGRESS=yes: also says on standard output that the program has ended, in a line for tools/progress.awk.
real=$1
shift
name='' trs='' expect=''
for word in "$@"; do
	case $expect in
	--test-name) name=$word ;;
	--trs-file) trs=$word ;;
	esac
	expect=$word
	[ "$word" != -- ] || break
done
begin=$(date +%s)
${SHELL:-/bin/sh} "$real" "$@"
status=$?
seconds=$(($(date +%s) - begin))
[ ! -f "$trs" ] || echo ":test-seconds: $seconds" >> "$trs"
if [ "${CHECK_PROGRESS:-}" = yes ]; then
	failed=$(grep -cE '^:test-result: *(FAIL|XPASS|ERROR)' "$trs")
	echo "#ended ${CHECK_TOTAL:-0} $seconds $failed $name"
fi
exit $status
