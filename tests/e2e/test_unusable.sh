#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Devices without a usable interface, or that vanish while they are opened; a good reader beside them.
. "$(dirname "$0")/lib.sh"
e2e_enter "$e2e_dir/readers/unusable.sim" "$0" "$@"
pcscd_start
tap_check "one reader" wait_readers 1
tap_check "the tested library answers" right_library
tap_include "$e2e_python" "$e2e_dir/unusable.py"
tap_check "pcscd exits cleanly" pcscd_stop
tap_plan
