#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A demonstration without any hardware: real pcscd with this driver on simulated readers. Each step says what it
# shows, measures it and checks it; the last line is "demo: all well" or names the failure. demo.py prints the steps.
. "$(dirname "$0")/lib.sh"

# Replaces the function of lib.sh: a reason to skip a test is the end of the demo.
tap_skip_all()
{
	cannot_run "$1"
}

cannot_run()
{
	echo "the demo could not run: $1" >&2
	exit 1
}

# pcscd's log says why there are no readers.
what_pcscd_says()
{
	grep -m 1 -ihE 'access denied|not authorized|polkit|error.*(driver|library)|no such file' "$e2e_log" |
		sed 's/^[0-9]* //'
}

e2e_enter "$e2e_dir/readers/demo.sim" "$0" "$@"
# The log contains all bytes on the wire, so that a PIN could get into it.
LIBCCID_ifdLogLevel=0x0F
export LIBCCID_ifdLogLevel
pcscd_start "$@" > $e2e_tmp/start
if [ -s $e2e_tmp/start ]; then
	why=$(timeout 10 pcsc_scan -r 2>&1 | grep -m 1 -iE 'denied|fail|refus')
	cannot_run "pcscd does not answer${why:+: $why}$(what_pcscd_says | sed '1s/^/: /')"
fi
timeout 10 pcsc_scan -r > $e2e_tmp/list 2>&1
if grep -qi 'access denied' $e2e_tmp/list; then
	cannot_run "pcscd refuses: Access denied (polkit): run it as root, or give pcscd --disable-polkit"
fi
wait_readers 11 || cannot_run "pcscd shows $(grep -c '^[0-9]*: ' $e2e_tmp/list) readers of 11: $(what_pcscd_says)"
"$e2e_python" "$e2e_dir/demo.py"
status=$?
failed=$(sed -n 's/^failed //p' $e2e_tmp/demo.failed 2> /dev/null)
[ $status -eq 0 ] || [ -n "$failed" ] || failed="the demo broke off"
pcscd_stop || failed="$failed; pcscd did not end well"
complaints=$("$CCID_SIM" complaints)
[ -z "$complaints" ] || failed="$failed; the simulator complains: $complaints"
echo
if [ -n "$failed" ]; then
	echo "demo: failed: ${failed#; }"
	exit 1
fi
echo "demo: all well"
