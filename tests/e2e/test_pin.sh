#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# PIN verify and modify on PIN pads at each exchange level, through SCardControl().
. "$(dirname "$0")/lib.sh"
e2e_enter "$e2e_dir/readers/pin.sim" "$0" "$@"
pcscd_start
tap_check "five readers" wait_readers 5
tap_check "the tested library answers" right_library
tap_include "$e2e_python" "$e2e_dir/pin.py"
tap_check "pcscd exits cleanly" pcscd_stop
tap_plan
