#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The demo succeeds; when it cannot run or a step fails, its last line and its exit code say
# so. Stand-ins for other programs are put in front of PATH.
. "$(dirname "$0")/lib.sh"
e2e_find_sim
e2e_find_bundle
export CCID_SIM CCID_BUNDLE_DIR
for need in pcscd pcsc_scan opensc-tool; do
	command -v $need > /dev/null || tap_skip_all "$need is not installed"
done
"$e2e_python" -c 'import smartcard' 2> /dev/null || tap_skip_all "pyscard is not installed"
"$CCID_SIM" run /dev/null -- true 2> /dev/null || tap_skip_all "no private namespaces here"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"

# stand_in NAME SCRIPT
stand_in()
{
	printf '#!/bin/sh\n%s\n' "$2" > "$work/bin/$1"
	chmod +x "$work/bin/$1"
}

# demo NAME STATUS TEXT [VARIABLE=VALUE...]: one case. TEXT is in the last line.
demo()
{
	name=$1 want=$2 text=$3
	shift 3
	env PATH="$work/bin:$PATH" "$@" sh "$e2e_dir/demo.sh" > "$work/said" 2>&1
	status=$?
	if [ $status -eq "$want" ] && tail -n 1 "$work/said" | grep -q "$text"; then
		tap_ok "$name"
	else
		tap_not_ok "$name"
		echo "# exit code $status"
		sed 's/^/# /' "$work/said"
	fi
	rm -f "$work/bin/"*
}

demo "the demo succeeds" 0 '^demo: all well$'
tap_check "the demo shows the slots, their levels and times" \
	test "$(grep -cE ' T=[01] +(TPDU|short APDU|extended APDU) +[0-9.]+ ms$' "$work/said")" -eq 11
tap_check "each step of the demo is checked" test "$(grep -c '^  ok ' "$work/said")" -ge 12
stand_in pcsc_scan 'echo "SCardEstablishContext: Access denied."; exit 1'
demo "pcscd refuses" 1 '^the demo could not run: .*Access denied'
stand_in pcscd 'exit 1'
demo "pcscd does not start" 1 '^the demo could not run: pcscd does not answer'
mkdir -p "$work/empty.bundle/Contents"
demo "pcscd shows no reader" 1 '^the demo could not run: pcscd shows 0 readers of 11' CCID_BUNDLE_DIR="$work/empty.bundle"
stand_in no-sim 'exit 125'
demo "no namespaces" 1 '^the demo could not run: no private namespaces here' CCID_SIM="$work/bin/no-sim"
stand_in sim "[ \"\$1\" = fault ] || exec '$CCID_SIM' \"\$@\""
demo "a step that fails is named" 1 '^demo: failed: .*no command waited for' CCID_SIM="$work/bin/sim" \
	CCID_SIM_PRELOAD="${CCID_SIM_PRELOAD:-$e2e_build/.libs/libccid-sim-preload.so}"
if [ -x "$e2e_top/demo" ] && command -v dpkg-query > /dev/null; then
	stand_in dpkg-query 'exit 1'
	stand_in apt-get 'exit 100'
	stand_in sudo 'exit 1'
	PATH=$work/bin:$PATH "$e2e_top/demo" > "$work/said" 2>&1
	status=$?
	tap_check "packages cannot be installed" test "$status $(tail -n 1 "$work/said")" = \
		"1 the demo could not run: packages that it needs cannot be installed"
fi
echo "1..$tap_count"
[ "$tap_failed" -eq 0 ]
