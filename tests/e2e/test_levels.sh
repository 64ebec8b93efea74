#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every case of APDU over every exchange level of CCID and ICCD, on descriptors of real readers.
. "$(dirname "$0")/lib.sh"
e2e_enter "$e2e_dir/readers/every-level.sim" "$0" "$@"
pcscd_start
tap_include "$e2e_python" "$e2e_dir/levels.py" "$@"
"$CCID_SIM" plug tpdu-t0
wait_readers 1
tap_check "the tested library answered" right_library
tap_check "pcscd exits cleanly" pcscd_stop
tap_plan
