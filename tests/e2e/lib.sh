# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
#
# A real pcscd on simulated readers. A test script sources this file and says
#
#	e2e_enter FILE.sim "$0" "$@"	# runs the rest inside "ccid-sim run FILE.sim", or skips the script
#	pcscd_start			# returns when pcscd serves
#	... tap_ok / tap_not_ok, or python programs that print TAP themselves ...
#	pcscd_stop
#	tap_plan
#
# CCID_BUNDLE_DIR   the bundle to test: a folder with Contents/ in it (default: the one of the build, else the
#                   installed ifd-ccid.bundle)
# CCID_SIM          the simulator's program (default: the one of the build, else ccid-sim in PATH)
# E2E_CLASSIC=1     the bundle is libccid's: cases that libccid is known to fail are skipped
# E2E_REQUIRED=1    a reason to skip a script is a failure
# E2E_VERBOSE=1     shows pcscd's log at the end
#
# pcscd 1.9 reads its drivers from the folder that it was compiled with: in the private mount namespace that folder
# is covered by one that has the tested bundle and nothing else.

e2e_dir=$(cd "$(dirname "$0")" && pwd)
e2e_top=${abs_top_srcdir:-$(cd "$e2e_dir/../.." && pwd)}
e2e_build=${abs_top_builddir:-$e2e_top}
e2e_python=${PYTHON_PYSCARD:-/usr/bin/python3}
PATH=$PATH:/usr/sbin:/sbin
PYTHONDONTWRITEBYTECODE=1
LC_ALL=C
export PATH PYTHONDONTWRITEBYTECODE LC_ALL

tap_count=0
tap_failed=0

tap_ok()
{
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1"
}

tap_not_ok()
{
	tap_count=$((tap_count + 1))
	tap_failed=$((tap_failed + 1))
	echo "not ok $tap_count - $1"
}

# tap_check NAME COMMAND...: ok when the command succeeds.
tap_check()
{
	tap_name=$1
	shift
	if "$@"; then
		tap_ok "$tap_name"
	else
		tap_not_ok "$tap_name"
	fi
}

# Runs a program that prints TAP lines without a plan, and counts its cases with ours.
tap_include()
{
	"$@" > "$e2e_tmp/tap" || echo "not ok - $* ended with status $?" >> "$e2e_tmp/tap"
	while IFS= read -r line; do
		case $line in
		"ok "*) tap_ok "${line#*- }" ;;
		"not ok "*) tap_not_ok "${line#*- }" ;;
		*) echo "$line" ;;
		esac
	done < "$e2e_tmp/tap"
}

# Ends the script. Complaints of the simulator are a failed case.
tap_plan()
{
	"$CCID_SIM" complaints > "$e2e_tmp/complaints"
	if [ -n "$E2E_CLASSIC" ]; then
		tap_ok "the simulator has no complaints # SKIP not with the classic driver"
	else
		tap_check "the simulator has no complaints" test ! -s "$e2e_tmp/complaints"
	fi
	sed 's/^/# /' "$e2e_tmp/complaints"
	echo "1..$tap_count"
	if [ "$tap_failed" -gt 0 ] || [ -n "$E2E_VERBOSE" ]; then
		grep -v 'winscard\|SVCServiceRunLoop' "$e2e_log" | tail -n "${E2E_LOG_LINES:-150}" | sed 's/^/# /'
	fi
	[ "$tap_failed" -eq 0 ]
	exit
}

tap_skip_all()
{
	if [ -n "$E2E_REQUIRED" ]; then
		echo "Bail out! $1"
		exit 1
	fi
	echo "1..0 # SKIP $1"
	exit 0
}

e2e_find_sim()
{
	[ -n "$CCID_SIM" ] && return
	CCID_SIM=$e2e_build/ccid-sim
	[ -x "$CCID_SIM" ] && return
	CCID_SIM=$(command -v ccid-sim) || tap_skip_all "ccid-sim is not built"
}

e2e_find_bundle()
{
	[ -n "$CCID_BUNDLE_DIR" ] && return
	for CCID_BUNDLE_DIR in "$e2e_build/ifd-ccid.bundle" "$e2e_build/src/ifd-ccid.bundle" \
			"$(pkg-config libpcsclite --variable=usbdropdir)/ifd-ccid.bundle"; do
		[ -d "$CCID_BUNDLE_DIR/Contents" ] && return
	done
	tap_skip_all "no bundle to test (CCID_BUNDLE_DIR)"
}

# e2e_enter FILE SCRIPT [ARGUMENT...]: runs the script again inside the simulator; inside of it, prepares.
e2e_enter()
{
	e2e_file=$1
	shift
	if [ -z "$E2E_INSIDE" ]; then
		e2e_find_sim
		e2e_find_bundle
		for e2e_need in pcscd pcsc_scan opensc-tool; do
			command -v $e2e_need > /dev/null || tap_skip_all "$e2e_need is not installed"
		done
		"$e2e_python" -c 'import smartcard' 2> /dev/null || tap_skip_all "pyscard is not installed"
		export CCID_SIM CCID_BUNDLE_DIR
		"$CCID_SIM" run /dev/null -- true 2> /dev/null ||
			tap_skip_all "no private namespaces here (needs root or user namespaces)"
		e2e_script=$1
		shift
		E2E_INSIDE=1 "$CCID_SIM" run "$e2e_file" -- /bin/sh "$e2e_script" "$@"
		e2e_status=$?
		# 99: the script passed, but the simulator complained
		[ -n "$E2E_CLASSIC" ] && [ $e2e_status -eq 99 ] && e2e_status=0
		exit $e2e_status
	fi
	# below /run, which is private to the simulator here: no file is left behind
	e2e_tmp=/run/ccid-sim/e2e
	e2e_drop=$(pkg-config libpcsclite --variable=usbdropdir 2> /dev/null || echo /usr/lib/pcsc/drivers)
	e2e_log=$e2e_tmp/pcscd.log
	mkdir -p $e2e_tmp/drop $e2e_tmp/reader.conf.d
	cp -RL "$CCID_BUNDLE_DIR" $e2e_tmp/tested	# before the folder is covered by another mount
	mount --bind $e2e_tmp/drop "$e2e_drop" || tap_skip_all "cannot cover $e2e_drop"
	e2e_stage
	# The driver may be built for another folder than pcscd's, as in make distcheck.
	PCSCLITE_HP_DROPDIR=$e2e_drop
	# pcscd 2 asks polkit if it was built with polkit; these tests need no polkit.
	E2E_PCSCD_OPTIONS=$(pcscd --help 2>&1 | grep -o -e --disable-polkit)
	export E2E_PCSCD_OPTIONS e2e_log e2e_tmp CCID_SIM PCSCLITE_HP_DROPDIR
}

# Puts a fresh copy of the tested bundle where pcscd looks for it.
e2e_stage()
{
	rm -rf "$e2e_tmp/drop/ifd-ccid.bundle"
	cp -R $e2e_tmp/tested "$e2e_tmp/drop/ifd-ccid.bundle"
	e2e_plist=$e2e_tmp/drop/ifd-ccid.bundle/Contents/Info.plist
	e2e_library=$e2e_tmp/drop/ifd-ccid.bundle/Contents/Linux/libccid.so
}

# Waits until a command succeeds; fails after 10 s (a minute under a checker). No test sleeps for a guessed time.
wait_until()
{
	e2e_tries=${E2E_LAUNCHER:+-2500}
	e2e_tries=${e2e_tries:-0}
	until "$@" 2> /dev/null; do
		e2e_tries=$((e2e_tries + 1))
		[ $e2e_tries -gt 500 ] && return 1
		sleep 0.02
	done
}

# wait_readers N: until pcscd lists N readers.
wait_readers()
{
	wait_until has_readers "$1"
}

has_readers()
{
	[ "$(timeout 10 pcsc_scan -r 2> /dev/null | grep -c '^[0-9][0-9]*: ')" -eq "$1" ]
}

is_answering()
{
	[ -S /run/pcscd/pcscd.comm ] && timeout 10 pcsc_scan -r > /dev/null
}

# pcscd_start [OPTION...]: starts pcscd and waits until it answers. E2E_LAUNCHER: a program that execs pcscd.
pcscd_start()
{
	# shellcheck disable=SC2086 # words
	$E2E_LAUNCHER pcscd $E2E_PCSCD_OPTIONS --foreground --debug --apdu --config $e2e_tmp/reader.conf.d "$@" > "$e2e_log" 2>&1 &
	pcscd_pid=$!
	export pcscd_pid
	wait_until is_answering || echo "# pcscd does not answer"
}

pcscd_alive()
{
	kill -0 "$pcscd_pid" 2> /dev/null && is_answering
}

# Ends pcscd. Fails when pcscd was dead already, or ended with an error.
pcscd_stop()
{
	kill -TERM "$pcscd_pid" 2> /dev/null || return 1
	wait "$pcscd_pid"
	pcscd_status=$?
	[ $pcscd_status -eq 0 ] || echo "# pcscd ended with status $pcscd_status"
	[ $pcscd_status -eq 0 ]
}

# pcscd maps the staged file and names it in its log.
right_library()
{
	grep -q " $(stat -c %i "$e2e_library") .*/ifd-ccid.bundle/Contents/Linux/libccid.so" "/proc/$pcscd_pid/maps" &&
		grep -q "using $e2e_drop/ifd-ccid.bundle/Contents/Linux/libccid.so" "$e2e_log" &&
		[ "$(ls "$e2e_drop")" = ifd-ccid.bundle ] &&
		cmp -s "$e2e_library" $e2e_tmp/tested/Contents/Linux/libccid.so
}
