#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Devices with several CCID interfaces: a reader each, or, with --enable-composite-as-multislot, slots of one reader.
# E2E_MULTISLOT	1: the tested library has that option, 0: it does not (default: from config.h of the build)
. "$(dirname "$0")/lib.sh"
if [ -z "$E2E_MULTISLOT" ]; then
	E2E_MULTISLOT=0
	grep -q '^#define ENABLE_COMPOSITE_AS_MULTISLOT' "$e2e_build/config.h" 2> /dev/null && E2E_MULTISLOT=1
fi
export E2E_MULTISLOT
e2e_enter "$e2e_dir/readers/composite.sim" "$0" "$@"
pcscd_start
tap_include "$e2e_python" "$e2e_dir/composite.py" "$@"
"$CCID_SIM" plug omnikey-5422
wait_readers 2
tap_check "the tested library answered" right_library
tap_check "pcscd exits cleanly" pcscd_stop
tap_plan
