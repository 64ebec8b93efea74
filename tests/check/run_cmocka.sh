#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs a cmocka program and prints its TAP as one sequence: a program may have several
# groups, each with a plan of its own, and cmocka 1.1 calls a skipped case "not ok".
# LAUNCHER: words to put before the program: an emulator, a checker of memory.
{
	# shellcheck disable=SC2086 # a list of words
	CMOCKA_MESSAGE_OUTPUT=TAP $LAUNCHER "$@"
	echo "#:exit $?"
} | awk '
	/^TAP version/ { next }
	/^1\.\.[0-9]+/ { planned += substr($0, 4); next }
	/^#:exit / { status = $2; next }
	/^not ok .*# SKIP/ { sub(/^not /, "") }
	/^not ok / { failed++ }
	/^(not )?ok / {
		n++
		sub(/ok [0-9]*/, "ok " n)
	}
	{ print; fflush() }
	END {
		print "1.." planned + 0
		if (planned == 0) {
			print "Bail out! no test case ran"
			exit 1
		}
		# A failed case is enough; only the exit code reports a crash or a sanitizer.
		exit (status != 0 && (!failed || n != planned)) ? status : 0
	}'
