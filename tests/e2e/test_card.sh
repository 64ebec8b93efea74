#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# One reader, one card: reset, reconnect, removal, insertion.
. "$(dirname "$0")/lib.sh"
e2e_enter "$e2e_dir/readers/single.sim" "$0" "$@"
pcscd_start
tap_check "one reader" wait_readers 1
tap_include "$e2e_python" "$e2e_dir/card.py"
tap_check "the tested library answered" right_library
tap_check "pcscd exits cleanly" pcscd_stop
tap_plan
