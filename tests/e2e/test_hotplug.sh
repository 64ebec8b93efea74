#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A reader comes and goes.
. "$(dirname "$0")/lib.sh"
e2e_enter "$e2e_dir/readers/single.sim" "$0" "$@"
pcscd_start
tap_check "one reader" wait_readers 1
tap_check "the tested library answers" right_library
tap_include "$e2e_python" "$e2e_dir/hotplug.py"
tap_check "pcscd heard of the reader from udev" grep -q "USB Device removed" "$e2e_log"
tap_check "pcscd exits cleanly" pcscd_stop
tap_plan
