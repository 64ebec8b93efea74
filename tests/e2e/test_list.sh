#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# ccid-list beside a real pcscd: identical readers keep their keys in whatever order they are plugged in.
. "$(dirname "$0")/lib.sh"
e2e_enter "$e2e_dir/readers/list.sim" "$0" "$@"
CCID_LIST=$e2e_build/ccid-list
export CCID_LIST
[ -x "$CCID_LIST" ] || tap_skip_all "ccid-list is not built"
pcscd_start
tap_include "$e2e_python" "$e2e_dir/list.py"
tap_check "pcscd exits cleanly" pcscd_stop
no_pcscd() { ! "$CCID_LIST" > $e2e_tmp/out 2>&1 && grep -q "pcscd cannot be used" $e2e_tmp/out; }
tap_check "without pcscd ccid-list says so" no_pcscd
tap_plan
