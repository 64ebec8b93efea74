#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# not_built.sh MAKE LOG...
# A test program of LOG... without a result could not be built: it becomes a failed case, with the compiler's messages
# in its log, so that a program that does not compile is counted and does not hide the others.
make=$1
shift
missing=0
for log in "$@"; do
	base=${log%.log}
	[ ! -f "$base.trs" ] || continue
	missing=$((missing + 1))
	mkdir -p "$(dirname "$base")"
	{
		$make "$base" 2>&1
		echo "not ok 1 - $base was not built"
	} > "$log"
	{
		echo ":test-result: ERROR"
		echo ":global-test-result: ERROR"
		echo ":recheck: yes"
		echo ":copy-in-global-log: yes"
		echo ":test-seconds: 0"
	} > "$base.trs"
	echo "ERROR: $base was not built"
	[ "${CHECK_PROGRESS:-}" != yes ] || echo "#ended ${CHECK_TOTAL:-$#} 0 1 $base"
done
[ "$missing" = 0 ]
