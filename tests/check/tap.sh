# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Sourced by scripts that print TAP: counts their cases. The folder $work is the script's own.
count=0 failed=0

# check NAME COMMAND...: one case. The output of a command that fails is shown, its last lines ($SHOWN, 40).
check() {
	local name=$1
	shift

	count=$((count + 1))
	if "$@" >"$work/said" 2>&1; then
		echo "ok $count - $name"
	else
		failed=$((failed + 1))
		echo "not ok $count - $name"
		tail -n "${SHOWN:-40}" "$work/said" | sed 's/^/# /'
	fi
}

# plan: ends the script. It fails when a case failed, or none ran.
plan() {
	echo "1..$count"
	[ "$failed" = 0 ] && [ "$count" -gt 0 ]
	exit
}
