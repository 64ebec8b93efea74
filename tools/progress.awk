# SPDX-License-Identifier: LGPL-2.1-or-later
# Reads what "make check" says with CHECK_PROGRESS=yes and prints a line for each test program that has ended:
#	[37/121] tests/unit/proto/test_atr … 12 s, 0 failed
# and each case that failed. verbose=1: all the rest, too.
/^#ended / {
	name = $0
	sub(/^#ended [0-9]+ [0-9]+ [0-9]+ /, "", name)
	ended++
	printf("[%d/%d] %s … %d s, %d failed\n", ended, ($2 > ended ? $2 : ended), name, $3, $4)
	fflush()
	next
}
verbose || /^(FAIL|XPASS|ERROR): / { print; fflush() }
